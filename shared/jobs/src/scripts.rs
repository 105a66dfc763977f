//! The Lua scripts, each with the prelude before it. What they guarantee stands in them.

use std::sync::LazyLock;

use redis::Script;

macro_rules! script {
    ($name:ident, $file:literal) => {
        pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(
                include_str!("scripts/prelude.lua"),
                include_str!(concat!("scripts/", $file))
            ))
        });
    };
}

script!(SUBMIT, "submit.lua");
script!(CLAIM, "claim.lua");
script!(RENEW, "renew.lua");
script!(PROGRESS, "progress.lua");
script!(CHECKPOINT, "checkpoint.lua");
script!(SUCCEED, "succeed.lua");
script!(FAIL, "fail.lua");
script!(RELEASE, "release.lua");
script!(RETRY, "retry.lua");
script!(CANCEL, "cancel.lua");
script!(DELETE, "delete.lua");
script!(TIDY, "tidy.lua");
script!(SWEEP, "sweep.lua");
