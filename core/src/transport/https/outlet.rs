//! By which way the meter leaves its own machine: a source address or an interface, for a meter with two modems or two
//! access points, one of which is for payments.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{bind, socket_with, AddressFamily, SocketFlags, SocketType};

use super::underway::Ended;
use crate::error::{Cause, Code, Report};

/// The longest name of an interface in Linux.
const LONGEST_NAME: usize = 15;

/// Where connections leave from. The default is what the routing table says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlet {
    source: Option<IpAddr>,
    interface: Option<String>,
}

impl Outlet {
    /// `source`: a literal address; `interface`: a name such as "wwan0"; empty: none. Neither has to be there yet: a modem
    /// may come up after the meter, and until then an exchange fails with `Cause::SourceAddress` or `Cause::Interface`.
    ///
    /// # Errors
    ///
    /// `Code::InvalidArgument` with field `source_address` or `interface_name`; `Code::NotPermitted` with the latter if
    /// this process may not bind to interfaces: Linux before 5.7 asks for CAP_NET_RAW.
    pub fn new(source: &str, interface: &str) -> Result<Outlet, Report> {
        let source = match source {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                Report::invalid("source_address", "must be one IPv4 or IPv6 address")
            })?),
        };
        let printable = |b: u8| b.is_ascii_graphic() && b != b'/' && b != b':';
        if interface.len() > LONGEST_NAME || !interface.bytes().all(printable) {
            return Err(Report::invalid(
                "interface_name",
                "must be the name of an interface, up to 15 characters",
            ));
        }
        let outlet = Outlet {
            source,
            interface: (!interface.is_empty()).then(|| interface.to_string()),
        };
        outlet.try_privilege()?;
        Ok(outlet)
    }

    /// A meter that may never bind learns it when it starts, not at the kerb. Everything else may change until then.
    fn try_privilege(&self) -> Result<(), Report> {
        let Some(name) = &self.interface else {
            return Ok(());
        };
        let flags = SocketFlags::CLOEXEC;
        let Ok(socket) = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None) else {
            return Ok(());
        };
        match bind_to_interface(&socket, name) {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                let rule = format!("{name}: this kernel wants CAP_NET_RAW for it: {e}");
                let mut report = Report::new(Code::NotPermitted, rule);
                report.field = "interface_name".into();
                Err(report)
            }
            _ => Ok(()),
        }
    }

    /// Binds a socket that is about to connect to `target`.
    pub(super) fn bind(&self, socket: &OwnedFd, target: &SocketAddr) -> Result<(), Ended> {
        if let Some(name) = &self.interface {
            bind_to_interface(socket, name)
                .map_err(|e| Ended::new(Cause::Interface, format!("interface {name}: {e}")))?;
        }
        if let Some(source) = self.source {
            let why =
                |what: String| Ended::new(Cause::SourceAddress, format!("from {source}: {what}"));
            if source.is_ipv4() != target.is_ipv4() {
                return Err(why(format!("{} is of the other family", target.ip())));
            }
            bind(socket, &SocketAddr::new(source, 0))
                .map_err(|e| why(io::Error::from(e).to_string()))?;
        }
        Ok(())
    }
}

/// SO_BINDTODEVICE: packets leave by this interface or not at all, whatever the routing table says.
fn bind_to_interface(socket: &OwnedFd, name: &str) -> io::Result<()> {
    socket2::SockRef::from(socket).bind_device(Some(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_an_outlet() {
        for (source, interface) in [
            ("", ""),
            ("192.0.2.1", ""),
            ("2001:db8::1", "wwan0"),
            ("", "lo"),
        ] {
            Outlet::new(source, interface).unwrap();
        }
        for (source, interface, field) in [
            ("localhost", "", "source_address"),
            ("192.0.2.1:80", "", "source_address"),
            ("192.0.2.1, 192.0.2.2", "", "source_address"),
            ("[::1]", "", "source_address"),
            ("", "sixteen-letters-", "interface_name"),
            ("", "wwan 0", "interface_name"),
            ("", "../lo", "interface_name"),
            ("", "eth0:1", "interface_name"),
            ("", "\u{e6}", "interface_name"),
        ] {
            let report = Outlet::new(source, interface).unwrap_err();
            assert_eq!(
                (report.code, report.field.as_str()),
                (Code::InvalidArgument, field)
            );
        }
    }
}
