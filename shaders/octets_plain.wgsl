// octets_plain.wgsl: how eight consecutive floats are kept in a buffer, for any adapter: as two vec4s.

alias StoredOctet = Octet;

fn unpack_octet(stored: StoredOctet) -> Octet {
    return stored;
}

fn pack_octet(octet: Octet) -> StoredOctet {
    return octet;
}
