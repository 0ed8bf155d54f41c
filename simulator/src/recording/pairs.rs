//! Forms and queries: each value is hidden as its name demands, as in a JSON body.

use serde_json::json;

use super::names::Names;

impl Names {
    /// What has nothing to hide stays as it was written.
    pub fn pairs(&mut self, text: &str) -> String {
        let pairs: Vec<String> = text.split('&').map(|pair| self.pair(pair)).collect();
        pairs.join("&")
    }

    fn pair(&mut self, pair: &str) -> String {
        let Some((raw_name, raw_value)) = pair.split_once('=') else { return self.text(pair) };
        let parsed = form_urlencoded::parse(pair.as_bytes()).next();
        let (name, value) = parsed.map(|(name, value)| (name.into_owned(), value.into_owned())).unwrap_or_default();
        let named = self.request(&json!({&name: &value}));
        let told = self.text(named[&name].as_str().unwrap_or_default());
        let raw_name = self.hide(raw_name);
        if told == value {
            return format!("{raw_name}={raw_value}");
        }
        // A replay looks for names such as `<link 1>` as they are.
        let encoded: String =
            if told.contains('<') { told } else { form_urlencoded::byte_serialize(told.as_bytes()).collect() };
        format!("{raw_name}={encoded}")
    }
}
