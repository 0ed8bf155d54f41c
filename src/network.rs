//! How the library's own transport reaches the servers: the members of vp_config for the modem's world.

use libc::c_char;
use vpmeter_core::error::Report;
use zeroize::Zeroizing;

use crate::client::vp_config;
use crate::pointers;

/// What the config says of the network; empty and 0 are the defaults.
pub struct Network {
    source_address: String,
    interface_name: String,
    addresses: String,
    proxy_url: String,
    proxy_user: String,
    proxy_password: Zeroizing<String>,
    keep_idle_ms: u32,
}

/// The longest age of an idle connection, milliseconds. Servers close them sooner.
const LONGEST_IDLE_MS: u32 = 600_000;

impl Network {
    /// # Safety
    /// The pointers of the config are NULL or good.
    pub unsafe fn read(config: &vp_config) -> Result<Network, Report> {
        // SAFETY: the caller's promise.
        let text = |p: *const c_char, field: &str| unsafe { pointers::optional(p, field) };
        pointers::reserved("reserved", config.reserved == 0)?;
        if config.keep_idle_ms > LONGEST_IDLE_MS {
            return Err(Report::invalid(
                "keep_idle_ms",
                "must be at most 600000 milliseconds",
            ));
        }
        Ok(Network {
            source_address: text(config.source_address, "source_address")?,
            interface_name: text(config.interface_name, "interface_name")?,
            addresses: text(config.addresses, "addresses")?,
            proxy_url: text(config.proxy_url, "proxy_url")?,
            proxy_user: text(config.proxy_user, "proxy_user")?,
            proxy_password: text(config.proxy_password, "proxy_password")?.into(),
            keep_idle_ms: config.keep_idle_ms,
        })
    }

    /// What does not use them refuses them.
    pub fn none(&self, why: &str) -> Result<(), Report> {
        let given = [
            ("source_address", !self.source_address.is_empty()),
            ("interface_name", !self.interface_name.is_empty()),
            ("addresses", !self.addresses.is_empty()),
            ("proxy_url", !self.proxy_url.is_empty()),
            ("proxy_user", !self.proxy_user.is_empty()),
            ("proxy_password", !self.proxy_password.is_empty()),
            ("keep_idle_ms", self.keep_idle_ms != 0),
        ];
        match given.iter().find(|(_, there)| *there) {
            None => Ok(()),
            Some((field, _)) => Err(Report::invalid(field, format!("must be NULL or 0 {why}"))),
        }
    }

    /// The settings of the library's own transport. `base_url` was checked.
    #[cfg(feature = "https")]
    pub fn settings(
        &self,
        base_url: &str,
    ) -> Result<vpmeter_core::transport::https::HttpsConfig, Report> {
        use vpmeter_core::transport::https::{addresses, HttpsConfig, Outlet, Proxy};
        let mut settings = HttpsConfig {
            outlet: Outlet::new(&self.source_address, &self.interface_name)?,
            ..HttpsConfig::default()
        };
        if self.keep_idle_ms != 0 {
            settings.idle_limit_ms = self.keep_idle_ms;
        }
        if self.proxy_url.is_empty() {
            for (field, value) in [
                ("proxy_user", self.proxy_user.as_str()),
                ("proxy_password", &self.proxy_password),
            ] {
                if !value.is_empty() {
                    return Err(Report::invalid(
                        field,
                        "is for a proxy: there is no proxy_url",
                    ));
                }
            }
        } else {
            if !base_url.starts_with("https://") {
                return Err(Report::invalid(
                    "proxy_url",
                    "is for https: nothing goes to a proxy unencrypted",
                ));
            }
            settings.proxy = Some(Proxy::new(
                &self.proxy_url,
                &self.proxy_user,
                &self.proxy_password,
            )?);
        }
        if !self.addresses.is_empty() {
            if settings.proxy.is_some() {
                return Err(Report::invalid(
                    "addresses",
                    "must be NULL with a proxy, which looks the name up",
                ));
            }
            if !addresses::has_name(base_url) {
                return Err(Report::invalid(
                    "addresses",
                    "must be NULL: base_url holds an address, or localhost, itself",
                ));
            }
            settings.addresses = addresses::parse(&self.addresses)?;
        }
        Ok(settings)
    }
}
