use std::net::{IpAddr, SocketAddr};

use bt_bencoding::Value;
use bt_types::CompactAddrs;

use super::{MAX_PEERS, ResponseError, number};

/// The peers of both families, IPv4 first; `None` if the tracker names none of either list.
pub(super) fn read_peers(root: Value<'_, '_>) -> Result<Option<Vec<SocketAddr>>, ResponseError> {
    let mut v4 = read(root, "peers", CompactAddrs::lossy_v4)?;
    let v6 = read(root, "peers6", CompactAddrs::lossy_v6)?;
    let (None, None) = (&v4, &v6) else {
        let (mut all, v6) = (v4.take().unwrap_or_default(), v6.unwrap_or_default());
        // Neither family crowds the other out.
        all.truncate(MAX_PEERS - v6.len().min(MAX_PEERS / 2));
        all.extend(v6.into_iter().take(MAX_PEERS - all.len()));
        return Ok(Some(all));
    };
    Ok(None)
}

fn read<'a>(
    root: Value<'_, 'a>,
    key: &'static str,
    compact: impl FnOnce(&'a [u8]) -> CompactAddrs<'a>,
) -> Result<Option<Vec<SocketAddr>>, ResponseError> {
    let Some(value) = root.get(key) else {
        return Ok(None);
    };
    if let Some(bytes) = value.as_bytes() {
        return Ok(Some(keep(compact(bytes))));
    }
    let list = value.as_list().ok_or(ResponseError::WrongKind(key))?;
    Ok(Some(keep(list.filter_map(listed))))
}

fn keep(peers: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let reachable = peers.filter(|peer| peer.port() != 0);
    reachable.take(MAX_PEERS).collect()
}

/// BEP 3 lets `ip` be a host name; we look none up for a tracker, as libtorrent's default.
fn listed(peer: Value<'_, '_>) -> Option<SocketAddr> {
    let ip: IpAddr = peer.get("ip")?.as_str()?.parse().ok()?;
    let port = u16::try_from(number(peer.get("port")?)?).ok()?;
    Some(SocketAddr::new(ip.to_canonical(), port))
}
