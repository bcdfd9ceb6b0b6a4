//! The golden vectors once more, by what PROTOCOL.md says and without the code that is tested.

mod fixtures;
mod vectors;

use fixtures::wrap_as;
use ginnel_proto::envelope::keys::PrivateKey;
use serde_json::{Value, json};
use vectors::{array, bytes, cases, load, number, text};

const FILE: &str = "envelope.json";

/// Both messages from the private keys of the file alone, with the Noise library used plainly.
#[test]
fn a_second_implementation_makes_the_same_handshakes() {
    let file = load(FILE);
    cases(&file, "handshakes").iter().for_each(make_again);
}

fn make_again(case: &Value) {
    let version = number(case, "version") as u8;
    let prologue = format!("ginnel/{}", number(case, "version"));
    let (psk, server, user) = (bytes(case, "psk"), bytes(case, "server_private"), bytes(case, "user_private"));
    let server_public = PrivateKey::new(server.clone().try_into().unwrap()).public();
    let begin = |local: &[u8], ephemeral: &[u8], initiator: bool| {
        let builder = snow::Builder::new("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s".parse().unwrap());
        let builder = builder.prologue(prologue.as_bytes()).unwrap().psk(2, psk[..].try_into().unwrap()).unwrap();
        let builder = builder.local_private_key(local).unwrap().fixed_ephemeral_key_for_testing_only(ephemeral);
        if initiator {
            builder.remote_public_key(&server_public.0).unwrap().build_initiator().unwrap()
        } else {
            builder.build_responder().unwrap()
        }
    };
    let (request, answer) = (&case["request"], &case["answer"]);
    let mut client = begin(&user, &bytes(request, "ephemeral_private"), true);
    let mut responder = begin(&server, &bytes(answer, "ephemeral_private"), false);
    let mut buffer = [0; 2000];
    let length = client.write_message(&bytes(request, "hello"), &mut buffer).unwrap();
    let request_noise = buffer[..length].to_vec();
    assert_eq!(request_noise, bytes(request, "noise"));
    responder.read_message(&request_noise, &mut buffer).unwrap();
    let length = responder.write_message(&bytes(answer, "welcome"), &mut buffer).unwrap();
    let answer_noise = buffer[..length].to_vec();
    assert_eq!(answer_noise, bytes(answer, "noise"));
    let (to_server, to_client) = responder.dangerously_get_raw_split();
    assert_eq!(hkdf(b"", &to_server, b"ginnel/1 data", 32), bytes(case, "data_to_server"));
    assert_eq!(hkdf(b"", &to_client, b"ginnel/1 data", 32), bytes(case, "data_to_client"));
    assert_eq!(hkdf(b"", &to_client, b"ginnel/1 header to client", 16), bytes(case, "header_to_client"));
    if number(case, "version") == 2 {
        assert_eq!(hkdf(&to_server, &to_client, b"ginnel/2 chain", 32), bytes(case, "chain"));
    }
    let outer = |label: &[u8]| hkdf(&server_public.0, &psk, label, 32).try_into().unwrap();
    let whole = |key: [u8; 32], bound: &[u8], case: &Value, noise: &[u8]| {
        let padding = bytes(case, "bytes").len() - 24 - 16 - 3 - noise.len();
        wrap_as(version, &key, array(case, "nonce"), bound, noise, padding)
    };
    let made = whole(outer(b"ginnel/1 handshake to server"), b"", request, &request_noise);
    assert_eq!(made, bytes(request, "bytes"));
    let made = whole(outer(b"ginnel/1 handshake to client"), &bytes(request, "nonce"), answer, &answer_noise);
    assert_eq!(made, bytes(answer, "bytes"));
}

/// HKDF (RFC 5869) of HMAC (RFC 2104) of BLAKE2s-256, for outputs of one hash or less.
fn hkdf(salt: &[u8], secret: &[u8], info: &[u8], length: usize) -> Vec<u8> {
    let pseudorandom = hmac(salt, secret);
    let mut key = hmac(&pseudorandom, &[info, &[1]].concat());
    key.truncate(length);
    key
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    use blake2::{Blake2s256, Digest};
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Blake2s256::digest([&block.map(|byte| byte ^ 0x36)[..], message].concat());
    Blake2s256::digest([&block.map(|byte| byte ^ 0x5c)[..], &inner].concat()).to_vec()
}

#[test]
fn a_second_implementation_derives_the_same_user_keys() {
    let keys = &load(FILE)["keys"];
    for user in cases(keys, "users") {
        let generation = number(user, "generation") as u32;
        let info = [b"ginnel/1 user ", &generation.to_be_bytes()[..], text(user, "user").as_bytes()].concat();
        assert_eq!(hkdf(b"", &bytes(keys, "server_private"), &info, 32), bytes(user, "private"));
    }
}

#[test]
fn a_second_implementation_makes_the_same_new_keys() {
    for case in cases(&load(FILE), "rekey") {
        let agreed = x25519_dalek::x25519(array(case, "client_private"), array(case, "server_public"));
        let label = [b"ginnel/2 rekey ", &bytes(case, "client_public")[..], &bytes(case, "server_public")].concat();
        let chain = hkdf(&bytes(case, "chain_before"), &agreed, &label, 32);
        assert_eq!(chain, bytes(case, "chain"));
        assert_eq!(hkdf(b"", &chain, b"ginnel/2 data to server", 32), bytes(case, "data_to_server"));
        assert_eq!(hkdf(b"", &chain, b"ginnel/2 data to client", 32), bytes(case, "data_to_client"));
    }
}

#[test]
fn a_second_implementation_makes_the_same_data_datagrams() {
    use aes::cipher::{BlockEncrypt, KeyInit as _};
    use chacha20poly1305::aead::{Aead as _, Payload};
    for case in cases(&load(FILE), "data") {
        let counter = number(case, "counter").to_be_bytes();
        let kind = ["session", "control", "trimmed"].iter().position(|name| *name == text(case, "kind"));
        let padded = if case["padded"] == json!(true) { 0x10 } else { 0 };
        let flags = kind.expect("a kind") as u8 | (number(case, "epoch") as u8) << 3 | padded;
        let session = (number(case, "session") as u32).to_be_bytes();
        let plain = [&session[..], &counter[2..], &[flags], &[0; 5]].concat();
        let mut block = aes::Block::clone_from_slice(&plain);
        aes::Aes128::new(&array(case, "header_key").into()).encrypt_block(&mut block);
        let nonce = [&[0; 4][..], &counter].concat();
        let (plaintext, key) = (bytes(case, "plaintext"), array::<32>(case, "key"));
        let sealed = if text(case, "aead") == "aes-128-gcm" {
            let key = ring::aead::UnboundKey::new(&ring::aead::AES_128_GCM, &key[..16]).unwrap();
            let nonce = ring::aead::Nonce::try_assume_unique_for_key(&nonce).unwrap();
            let mut sealed = plaintext;
            let key = ring::aead::LessSafeKey::new(key);
            key.seal_in_place_append_tag(nonce, ring::aead::Aad::from(&block), &mut sealed).unwrap();
            sealed
        } else {
            let payload = Payload { msg: &plaintext, aad: &block };
            chacha20poly1305::ChaCha20Poly1305::new(&key.into()).encrypt(nonce[..].into(), payload).unwrap()
        };
        assert_eq!([&sealed[..], &block].concat(), bytes(case, "bytes"), "{case}");
    }
}
