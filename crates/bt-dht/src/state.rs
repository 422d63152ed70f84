use bt_bencoding::{DecodeError, Document, Encoder, Lenient, Limits, Value};

use crate::{
    Family, NodeId,
    wire::{Contact, Contacts, push_contact},
};

/// What a node keeps from one run to the next: its ids, and nodes by which it finds its way back.
///
/// ```
/// # #[expect(clippy::disallowed_methods)]
/// # let now = std::time::Instant::now();
/// use bt_dht::{Config, Dht, Family, State};
/// let dht = Dht::new(now, Config::default(), [1; 32]);
/// let kept = dht.state().encode();
/// let again = Dht::restore(now, Config::default(), &State::decode(&kept)?, [2; 32]);
/// assert_eq!(again.id(Family::V4), dht.id(Family::V4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct State {
    /// In the order of [`Family::ALL`].
    networks: [Network; 2],
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Network {
    id: Option<NodeId>,
    nodes: Vec<Contact>,
}

impl State {
    /// Bencode: `id` and `nodes`, for IPv6 `id6` and `nodes6`, in the form of BEP 5.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        Encoder::new(&mut out).dict(|dict| {
            for (network, (id, nodes)) in self.networks.iter().zip(KEYS) {
                if let Some(NodeId(own)) = network.id {
                    dict.bytes(id, own);
                }
                let mut bytes = Vec::new();
                network
                    .nodes
                    .iter()
                    .for_each(|node| push_contact(&mut bytes, node));
                if !bytes.is_empty() {
                    dict.bytes(nodes, bytes);
                }
            }
        });
        out
    }

    /// Reads it again; what is missing or of no use is left out.
    ///
    /// # Errors
    /// If it is no bencode.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let document = Document::<Lenient>::parse(bytes, Limits::new(8, 64))?;
        let root = document.root();
        let mut state = Self::default();
        for (family, (id, nodes)) in Family::ALL.into_iter().zip(KEYS) {
            let bytes = |key: &str| root.get(key).and_then(Value::as_bytes);
            let network = &mut state.networks[family as usize];
            network.id = bytes(id).and_then(NodeId::from_slice);
            let nodes = Contacts::new(bytes(nodes).unwrap_or_default(), family).iter();
            let usable = nodes.filter(|node| crate::address::is_usable(node.addr));
            network.nodes = usable.take(MAX_NODES).collect();
        }
        Ok(state)
    }

    /// The id in a network.
    #[must_use]
    pub fn id(&self, family: Family) -> Option<NodeId> {
        self.networks[family as usize].id
    }

    /// The nodes of a network.
    #[must_use]
    pub fn nodes(&self, family: Family) -> &[Contact] {
        &self.networks[family as usize].nodes
    }

    /// The same nodes, for another node than the one whose state this is: it gets ids of its own. Two
    /// of one id would get each other's answers.
    #[must_use]
    pub fn without_ids(mut self) -> Self {
        self.networks
            .iter_mut()
            .for_each(|network| network.id = None);
        self
    }

    pub(crate) fn set(&mut self, family: Family, id: NodeId, nodes: impl Iterator<Item = Contact>) {
        let network = &mut self.networks[family as usize];
        network.id = Some(id);
        network.nodes = nodes.take(MAX_NODES).collect();
    }
}

const KEYS: [(&str, &str); 2] = [("id", "nodes"), ("id6", "nodes6")];
/// Far more than are needed to find the way back.
const MAX_NODES: usize = 200;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_kept_is_found_again(
            id: Option<[u8; 20]>,
            v4 in prop::collection::vec(any::<([u8; 20], u8, u16)>(), 0..250),
            v6 in prop::collection::vec(any::<([u8; 20], u8, u16)>(), 0..20),
        ) {
            let mut state = State::default();
            if let Some(id) = id {
                let node = |(id, last, port): ([u8; 20], u8, u16)| Contact {
                    id: NodeId(id),
                    addr: ([192, 0, 2, last], port.max(1)).into(),
                };
                let node6 = |(id, last, port): ([u8; 20], u8, u16)| Contact {
                    id: NodeId(id),
                    addr: ([0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()], port.max(1)).into(),
                };
                state.set(Family::V4, NodeId(id), v4.into_iter().map(node));
                state.set(Family::V6, NodeId([7; 20]), v6.into_iter().map(node6));
            }
            prop_assert!(state.nodes(Family::V4).len() <= MAX_NODES);
            prop_assert_eq!(State::decode(&state.encode()).unwrap(), state);
        }
    }

    #[test]
    fn what_is_of_no_use_is_left_out() {
        assert!(State::decode(b"").is_err());
        assert_eq!(State::decode(b"le"), Ok(State::default()));
        assert_eq!(
            State::decode(b"d2:id3:abc5:nodesi7ee"),
            Ok(State::default())
        );
    }
}
