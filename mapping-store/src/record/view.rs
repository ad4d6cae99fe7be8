//! A record read where it lies: nothing is copied until it is asked for.

use protocol::authenticated::MAX_BYTES;
use protocol::{Thumbprint, Timestamp};

use super::{
    DEFAULT, Damaged, Entry, Fresh, HAS_MSP, LIVE, Limits, MAX_NOTICES, MspHash, NOTICE_BYTES, Notice, VERSION,
};

/// A record in its stored form, its head checked.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    due: Timestamp,
    limits: Limits,
    notices: &'a [[u8; NOTICE_BYTES]],
    entries: &'a [u8],
}

impl<'a> View<'a> {
    /// Reads the head.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub(crate) fn parse(mut input: &'a [u8]) -> Result<Self, Damaged> {
        if take::<1>(&mut input)? != [VERSION] {
            return Err(Damaged);
        }
        let (due, removed_before, since) = (take_time(&mut input)?, take_time(&mut input)?, take_time(&mut input)?);
        let holder = Thumbprint::from_bytes(take(&mut input)?);
        let fresh = (since != Timestamp::default()).then_some(Fresh { since, holder });
        let [count] = take(&mut input)?;
        let notices = input.split_off(..usize::from(count) * NOTICE_BYTES).ok_or(Damaged)?.as_chunks().0;
        if notices.len() > MAX_NOTICES {
            return Err(Damaged);
        }
        Ok(Self { due, limits: Limits { removed_before, fresh }, notices, entries: input })
    }

    pub(crate) fn due(&self) -> Option<Timestamp> {
        (self.due != Timestamp::default()).then_some(self.due)
    }

    pub(crate) const fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn notices(&self) -> impl Iterator<Item = Notice> + use<'a> {
        self.notices.iter().filter_map(|bytes| {
            let (holder, at) = bytes.split_first_chunk()?;
            let at = u64::from_be_bytes(at.try_into().ok()?);
            Some(Notice { holder: Thumbprint::from_bytes(*holder), at: Timestamp::from_seconds(at) })
        })
    }

    /// The entries; the first damaged one ends them.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Result<Entry<&'a [u8]>, Damaged>> + use<'a> {
        let mut input = self.entries;
        std::iter::from_fn(move || {
            if input.is_empty() {
                return None;
            }
            let entry = take_entry(&mut input);
            if entry.is_err() {
                input = &[];
            }
            Some(entry)
        })
    }
}

fn take_entry<'a>(input: &mut &'a [u8]) -> Result<Entry<&'a [u8]>, Damaged> {
    let [flags] = take(input)?;
    if flags & !(LIVE | HAS_MSP | DEFAULT) != 0 {
        return Err(Damaged);
    }
    let seq = u64::from_be_bytes(take(input)?);
    let (expires_at, credential_issued_at, keep_until) = (take_time(input)?, take_time(input)?, take_time(input)?);
    let holder = Thumbprint::from_bytes(take(input)?);
    let msp = MspHash(take(input)?);
    let length = usize::from(u16::from_be_bytes(take(input)?));
    let document = input.split_off(..length).filter(|_| length <= MAX_BYTES).ok_or(Damaged)?;
    Ok(Entry {
        holder,
        msp: (flags & HAS_MSP != 0).then_some(msp),
        seq,
        live: flags & LIVE != 0,
        default: flags & DEFAULT != 0,
        expires_at,
        credential_issued_at,
        keep_until,
        document,
    })
}

fn take_time(input: &mut &[u8]) -> Result<Timestamp, Damaged> {
    take(input).map(|bytes| Timestamp::from_seconds(u64::from_be_bytes(bytes)))
}

fn take<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], Damaged> {
    let (head, tail) = input.split_first_chunk::<N>().ok_or(Damaged)?;
    *input = tail;
    Ok(*head)
}
