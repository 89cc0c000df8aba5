use std::net::IpAddr;

/// A range of addresses: `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IpRange {
    /// An address of the range.
    pub(crate) address: IpAddr,
    /// How many of its bits all addresses of the range share.
    pub(crate) prefix_length: u8,
}

impl IpRange {
    /// Reads an address with the length of its prefix. An address alone is a range of one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().ok()?;
        let length_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_length = length.map_or(Some(length_max), |length| length.parse().ok())?;
        (prefix_length <= length_max).then_some(Self { address, prefix_length })
    }
}
