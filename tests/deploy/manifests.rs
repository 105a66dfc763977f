//! The overlays as they would be applied.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::tools::{command, parsed, printed};

pub(crate) const OVERLAYS: [&str; 4] = ["local", "cpu", "gpu", "tls"];
/// Those whose workers KEDA scales.
pub(crate) const SCALED: [&str; 3] = ["cpu", "gpu", "tls"];

/// An overlay as `kubectl apply -k` would send it.
pub(crate) fn rendered(overlay: &str) -> String {
    let folder = format!("deploy/kubernetes/overlays/{overlay}");
    printed(command("kubectl", &["kustomize", &folder]), "")
}

/// The resources of an overlay.
pub(crate) struct Manifests(Vec<Value>);

/// A pod of a Deployment.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    /// The Deployment's name.
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) spec: Value,
    /// The variables of its one container, settings included. Those from Secrets have no value.
    pub(crate) variables: BTreeMap<String, Option<String>>,
}

impl Pod {
    pub(crate) fn container(&self) -> &Value {
        &self.spec["containers"][0]
    }

    pub(crate) fn variable(&self, name: &str) -> &str {
        let value = self.variables.get(name).and_then(Option::as_deref);
        value.unwrap_or_else(|| panic!("{} has no {name}", self.name))
    }
}

impl Manifests {
    pub(crate) fn of(overlay: &str) -> Self {
        Self(parsed(&rendered(overlay)))
    }

    pub(crate) fn kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |resource| resource["kind"] == kind)
    }

    pub(crate) fn named(&self, kind: &str, name: &str) -> &Value {
        let found = self.kind(kind).find(|resource| resource["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    /// The pods whose process is Agespan.
    pub(crate) fn processes(&self) -> Vec<Pod> {
        let part_of = "app.kubernetes.io/part-of";
        let all = self.kind("Deployment").map(|deployment| self.pod(deployment));
        all.filter(|pod| pod.labels.get(part_of).is_some_and(|name| name == "agespan")).collect()
    }

    /// Those of all Deployments and StatefulSets.
    pub(crate) fn pods(&self) -> Vec<Pod> {
        let all = self.kind("Deployment").chain(self.kind("StatefulSet"));
        all.map(|owner| self.pod(owner)).collect()
    }

    fn pod(&self, owner: &Value) -> Pod {
        let template = &owner["spec"]["template"];
        let spec = template["spec"].clone();
        let containers = spec["containers"].as_array().unwrap();
        assert_eq!(containers.len(), 1, "{owner}");
        let variables = self.variables(&containers[0]);
        Pod {
            name: owner["metadata"]["name"].as_str().unwrap().to_owned(),
            labels: serde_json::from_value(template["metadata"]["labels"].clone()).unwrap(),
            variables,
            spec,
        }
    }

    fn variables(&self, container: &Value) -> BTreeMap<String, Option<String>> {
        let mut variables = BTreeMap::new();
        for source in items(&container["envFrom"]) {
            let Some(name) = source["configMapRef"]["name"].as_str() else { continue };
            let data = &self.named("ConfigMap", name)["data"];
            let data: BTreeMap<String, String> = serde_json::from_value(data.clone()).unwrap();
            variables.extend(data.into_iter().map(|(name, value)| (name, Some(value))));
        }
        for variable in items(&container["env"]) {
            let name = variable["name"].as_str().unwrap().to_owned();
            variables.insert(name, variable["value"].as_str().map(str::to_owned));
        }
        variables
    }
}

/// The items of a list that may not be there.
pub(crate) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
