use nom::{IResult, Parser, multi::length_data, number::complete::be_u8};

use super::{DecodeError, MAX_URL_DATA};

/// Reads the options behind an announce request (BEP 41) and returns the URL data: path and query
/// of the URL, put together from all options of that kind.
///
/// Options of unknown kinds are skipped. One that claims more bytes than are left ends the list,
/// as if it were padding that somebody's old client appends.
pub(super) fn decode(mut options: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut url_data = Vec::new();
    while let Some((&kind, rest)) = options.split_first() {
        match kind {
            END => break,
            NOP => options = rest,
            _ => {
                let Ok((rest, value)) = value(rest) else {
                    break;
                };
                if kind == URL_DATA {
                    if url_data.len() + value.len() > MAX_URL_DATA {
                        return Err(DecodeError::UrlDataTooLong);
                    }
                    url_data.extend_from_slice(value);
                }
                options = rest;
            }
        }
    }
    Ok(url_data)
}

/// Appends `url_data` as options, as many as it takes; none if it is empty.
pub(super) fn encode(url_data: &[u8], out: &mut Vec<u8>) {
    for part in url_data.chunks(MAX_OPTION) {
        out.extend_from_slice(&[URL_DATA, part.len() as u8]);
        out.extend_from_slice(part);
    }
}

fn value(input: &[u8]) -> IResult<&[u8], &[u8], ()> {
    length_data(be_u8).parse(input)
}

/// BEP 41: what follows is padding.
const END: u8 = 0x00;
/// BEP 41: one byte of padding, without a length.
const NOP: u8 = 0x01;
const URL_DATA: u8 = 0x02;
/// The length of an option is one byte.
const MAX_OPTION: usize = 0xff;
