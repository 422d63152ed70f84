use std::{io, net::IpAddr};

use getifaddrs::{InterfaceFilter, InterfaceFlags};

/// A place at which this machine is in a network, and may be in a multicast group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Interface {
    pub(super) index: u32,
    /// One of its addresses, of the group's family; `bind` if it is bound to that.
    pub(super) address: IpAddr,
}

/// What the system tells, an address each.
#[derive(Clone, Copy)]
struct Listed {
    interface: Interface,
    is_usable: bool,
}

/// Those that are up and do multicast, each once, a bounded many; or the one that has the address
/// `bind`, whatever it does.
pub(super) fn multicast_interfaces(
    is_ipv4: bool,
    bind: Option<IpAddr>,
) -> io::Result<Vec<Interface>> {
    let filter = InterfaceFilter::new();
    let filter = if is_ipv4 { filter.v4() } else { filter.v6() };
    let listed = filter.get()?.filter_map(|found| {
        let usable = InterfaceFlags::UP | InterfaceFlags::MULTICAST;
        Some(Listed {
            interface: Interface {
                index: found.index?,
                address: found.address.ip_addr()?,
            },
            is_usable: found.flags.contains(usable),
        })
    });
    Ok(choose(listed, bind))
}

fn choose(listed: impl Iterator<Item = Listed>, bind: Option<IpAddr>) -> Vec<Interface> {
    let mut chosen: Vec<Interface> = Vec::new();
    for Listed {
        interface,
        is_usable,
    } in listed
    {
        let is_meant = match bind {
            Some(ip) => interface.address == ip,
            None => is_usable,
        };
        let is_there = chosen.iter().any(|other| other.index == interface.index);
        if is_meant && !is_there && chosen.len() < MAX_INTERFACES {
            chosen.push(interface);
        }
    }
    chosen
}

/// A host of containers may have many, of which few matter; Linux lets a socket join a group at 20.
const MAX_INTERFACES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(index: u32, address: &str, is_usable: bool) -> Listed {
        let address = address.parse().unwrap();
        Listed {
            interface: Interface { index, address },
            is_usable,
        }
    }

    #[test]
    fn each_that_does_multicast_is_chosen_once() {
        let all = [
            listed(1, "127.0.0.1", false),
            listed(2, "192.0.2.1", true),
            listed(2, "192.0.2.2", true),
            listed(7, "198.51.100.1", true),
        ];
        let chosen = |bind: Option<&str>| {
            let bind = bind.map(|ip| ip.parse().unwrap());
            let chosen = choose(all.into_iter(), bind).into_iter();
            let shown: Vec<_> = chosen
                .map(|it| format!("{} {}", it.index, it.address))
                .collect();
            shown.join(", ")
        };
        assert_eq!(chosen(None), "2 192.0.2.1, 7 198.51.100.1");
        assert_eq!(chosen(Some("192.0.2.2")), "2 192.0.2.2");
        // Whoever binds to it wants it.
        assert_eq!(chosen(Some("127.0.0.1")), "1 127.0.0.1");
        assert_eq!(chosen(Some("203.0.113.1")), "");
    }

    #[test]
    fn they_are_bounded() {
        let many = (1..100).map(|index| listed(index, "192.0.2.1", true));
        assert_eq!(choose(many, None).len(), MAX_INTERFACES);
    }

    #[test]
    fn the_system_tells_them() {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        let found = multicast_interfaces(true, Some(loopback)).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].address, loopback);
    }
}
