//! Items of BEP 44.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use bt_bencoding::Encoder;
use bt_client::DhtQuery;
use bt_dht::{
    Event, ImmutableItem, Item, ItemError, ItemName, MAX_SALT, MAX_VALUE, MutableItem, Outcome,
    Wanted,
};

use super::{
    asking::Asking,
    shown::{Stored, Value},
};
use crate::{
    arguments::{DhtGet, Name, Put, parse_key},
    exit::{Exit, Failure},
    format::{printable, reason},
    json, stdout,
};

pub(super) async fn get(get: &DhtGet) -> Result<(), Failure> {
    let wanted = match get.name {
        Name::Target(target) => Wanted::Immutable(target),
        Name::Key(key) => Wanted::Mutable(name(key, &get.salt)?),
    };
    let mut asking = Asking::start(&get.how)?;
    let (found, ended) = look_for(&mut asking, wanted).await?;
    asking.close().await;
    if let Some(item) = &found {
        let value = Value::of(item);
        stdout::print(|out| match get.how.json {
            true => json::write(out, &value),
            false => value.write_for_people(out),
        })?;
    }
    ended.check()?;
    match found {
        Some(_) => Ok(()),
        None => Err(Failure::other("no node has such an item")),
    }
}

pub(super) async fn put(put: &Put) -> Result<(), Failure> {
    let value = value(put)?;
    let secret = put.key.as_deref().map(read_key).transpose()?;
    let mut asking = Asking::start(&put.how)?;
    let item = match secret {
        None => Item::Immutable(ImmutableItem::new(value).map_err(unusable)?),
        Some(secret) => {
            let sign = |seq| MutableItem::sign(&secret, put.salt.as_bytes(), seq, &*value);
            // Before anybody is asked, what cannot be stored is refused.
            let first = sign(put.seq.unwrap_or(0)).map_err(unusable)?;
            let item = match put.seq {
                Some(_) => first,
                None => {
                    let wanted = Wanted::Mutable(first.name().clone());
                    let (found, ended) = look_for(&mut asking, wanted).await?;
                    ended.check()?;
                    let seq = match &found {
                        Some(Item::Mutable(found)) => found.seq().saturating_add(1),
                        _ => 1,
                    };
                    sign(seq).map_err(unusable)?
                }
            };
            Item::Mutable(item)
        }
    };
    let query = DhtQuery::Put(item.clone(), put.cas);
    let ended = asking.ask(query, |_| Ok(())).await?;
    asking.close().await;
    let nodes = match ended.check()? {
        Outcome::Put { nodes } => nodes,
        _ => 0,
    };
    if nodes == 0 {
        let advice = match put.key {
            Some(_) => "; is there a newer one? bt dht get shows its seq",
            None => "",
        };
        return Err(Failure::other(format!("no node has taken it{advice}")));
    }
    let stored = Stored::new(&item, nodes);
    stdout::print(|out| match put.how.json {
        true => json::write(out, &stored),
        false => stored.write_for_people(out),
    })
    .map(|_| ())
}

/// The newest that is found, and how the search ended.
async fn look_for(
    asking: &mut Asking,
    wanted: Wanted,
) -> Result<(Option<Item>, super::asking::Ended), Failure> {
    let mut found = None;
    let ended = asking.ask(DhtQuery::Get(wanted), |event| {
        if let Event::Item { item, .. } = event {
            found = Some(item);
        }
        Ok(())
    });
    let ended = ended.await?;
    Ok((found, ended))
}

fn name(key: [u8; 32], salt: &str) -> Result<ItemName, Failure> {
    if salt.len() > MAX_SALT {
        return Err(unusable(ItemError::SaltTooBig(salt.len())));
    }
    Ok(ItemName {
        key,
        salt: salt.into(),
    })
}

/// As it is stored: bencoded.
fn value(put: &Put) -> Result<Vec<u8>, Failure> {
    let given = match (&put.value, &put.file) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(path)) => read(path, MAX_VALUE as u64 + 1)?,
        (None, None) => Vec::new(), // clap does not let it come to this
    };
    if put.bencoded {
        return Ok(given);
    }
    let mut value = Vec::new();
    Encoder::new(&mut value).bytes(given);
    Ok(value)
}

fn read_key(path: &Path) -> Result<[u8; 32], Failure> {
    let bytes = read(path, MAX_KEY_FILE)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    parse_key(text.trim()).ok_or_else(|| {
        let path = printable(&path.to_string_lossy());
        let message = format!("{path} is no secret key: 64 hex digits, as of openssl rand -hex 32");
        Failure::new(Exit::Usage, message)
    })
}

/// So many bytes of a file, or all of it if it is shorter.
fn read(path: &Path, at_most: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = match path.as_os_str() == "-" {
        true => io::stdin().lock().take(at_most).read_to_end(&mut bytes),
        false => File::open(path).and_then(|file| file.take(at_most).read_to_end(&mut bytes)),
    };
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => {
            let path = printable(&path.to_string_lossy());
            Err(Failure::other(format!(
                "cannot read {path}: {}",
                reason(&error)
            )))
        }
    }
}

fn unusable(error: ItemError) -> Failure {
    Failure::new(Exit::Usage, error.to_string())
}

/// 64 digits, and what an editor may add.
const MAX_KEY_FILE: u64 = 128;
