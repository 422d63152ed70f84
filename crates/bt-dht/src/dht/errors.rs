use super::commands::MAX_OPERATIONS;

/// Why an operation was not accepted: too many have not ended. Wait for one to end and try again.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{MAX_OPERATIONS} operations of the node have not ended")]
pub struct Busy;

/// Why a datagram was ignored, or refused. Count it, log it, carry on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DatagramError {
    /// We take no part in the network that it comes from.
    #[error("datagram of a network that we are no part of")]
    OtherFamily,
    /// It is no message of the DHT.
    #[error("malformed DHT message")]
    Malformed,
    /// It answers nothing that we asked: late, duplicated, from somewhere else, or forged.
    #[error("unsolicited DHT response")]
    Unsolicited,
    /// It answers a query, but not as who was asked.
    #[error("answer with another node id than expected")]
    OtherNode,
    /// We ask and do not answer (BEP 43).
    #[error("query to a read-only node")]
    ReadOnly,
    /// It has our own id.
    #[error("query from our own id")]
    Ourselves,
    /// No node sends from such a port, or from such an address.
    #[error("query from an address that no node has")]
    SourceAddress,
    /// Its sender asks too much.
    #[error("too many queries from one source")]
    Flood,
    /// More than we answer in a while, whoever asks.
    #[error("no bytes left to answer with")]
    OverBudget,
    /// It was refused, with this code.
    #[error("query refused with code {0}")]
    Refused(i64),
}
