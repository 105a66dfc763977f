//! Pages of lists that are held in memory, in a stable order.

use tonic::Status;

use crate::status;

/// One page of `items`, and the token of the next: the key of the last item given, so that items
/// that come or go between two pages shift nothing.
pub fn of<T>(
    items: Vec<T>,
    key: impl Fn(&T) -> String,
    page_size: u32,
    page_token: &str,
    limits: PageLimits,
) -> Result<(Vec<T>, String), Status> {
    let size = limits.size(page_size)?;
    let start = if page_token.is_empty() {
        0
    } else {
        let last = items.iter().position(|item| key(item) == page_token);
        last.map(|index| index + 1).ok_or_else(|| {
            status::invalid("page_token", "PAGE_TOKEN", "not a token of this list; begin again")
        })?
    };
    let more = items.len() > start + size;
    let page: Vec<T> = items.into_iter().skip(start).take(size).collect();
    let token = if more { page.last().map(key).unwrap_or_default() } else { String::new() };
    Ok((page, token))
}

/// Size of a page when none is asked for, and at most.
#[derive(Clone, Copy, Debug)]
pub struct PageLimits {
    /// When the request says 0.
    pub default: u32,
    /// The largest that may be asked for.
    pub most: u32,
}

impl PageLimits {
    /// 50, at most 500.
    pub const USUAL: Self = Self { default: 50, most: 500 };

    /// The size that a request asks for.
    pub fn size(self, asked: u32) -> Result<usize, Status> {
        match asked {
            0 => Ok(self.default as usize),
            size if size <= self.most => Ok(size as usize),
            size => Err(status::invalid(
                "page_size",
                "PAGE_SIZE",
                format!("{size} is more than {}", self.most),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let items: Vec<u32> = (0..7).collect();
        let (mut token, mut seen) = (String::new(), Vec::new());
        loop {
            let (page, next) =
                of(items.clone(), ToString::to_string, 3, &token, PageLimits::USUAL).unwrap();
            seen.extend(page);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        assert_eq!(seen, items);
    }

    #[test]
    fn an_unknown_token_and_an_over_large_page_are_refused() {
        let page =
            |size, token| of(vec![1, 2], ToString::to_string, size, token, PageLimits::USUAL);
        assert!(page(1, "9").is_err());
        assert!(page(501, "").is_err());
    }
}
