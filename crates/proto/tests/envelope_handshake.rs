//! The handshake: who completes it, and how little everybody else gets out of it.

mod fixtures;

use fixtures::{ANY_SIZE, Deployment, hello, rng, unwrap, welcome, wrap, wrap_as, wrap_body};
use ginnel_proto::envelope::Version;
use ginnel_proto::envelope::handshake::{DATAGRAM_MAX, HandshakeError, Initiation, REQUEST_MIN, Request, digest};
use ginnel_proto::envelope::hello::{Hello, PARAMS_MAX, Welcome};
use ginnel_proto::envelope::keys::{LinkKeys, PublicKey};
use rand::Rng;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use std::collections::HashSet;

fn same_keys(one: &LinkKeys, other: &LinkKeys) -> bool {
    one.to_server == other.to_server
        && one.to_client == other.to_client
        && one.header_to_client == other.header_to_client
}

#[test]
fn both_ends_come_to_the_same_keys_and_hear_each_other() {
    let (deployment, mut rng) = (Deployment::new(), rng(1));
    let (mut initiation, request) = deployment.initiate(&mut rng);
    let read = deployment.read(&request, &mut rng).unwrap();
    assert_eq!((read.hello.clone(), read.user), (hello(), deployment.user.public()));
    let (answer, server_keys) = read.answer(&deployment.outer, &welcome(), &request, &mut rng).unwrap();
    let (heard, client_keys) = initiation.complete(&deployment.outer, &answer).unwrap();
    assert_eq!(heard, welcome());
    assert!(same_keys(&client_keys, &server_keys));
}

#[test]
fn the_same_seed_makes_the_same_bytes_and_another_seed_none_of_them() {
    let deployment = Deployment::new();
    let run = |seed| {
        let mut rng = rng(seed);
        let (_, request) = deployment.initiate(&mut rng);
        let answer = deployment.answer(&request, &mut rng).0;
        (request, answer)
    };
    assert_eq!(run(1), run(1));
    let ((request, answer), (other_request, other_answer)) = (run(1), run(2));
    // Nonce and ephemeral key are as fresh as the randomness.
    for (one, other) in [(&request, &other_request), (&answer, &other_answer)] {
        assert_ne!(one[..24], other[..24]);
    }
    let noise = |request: &[u8]| unwrap(&deployment.outer.to_server, b"", request).unwrap();
    assert_ne!(noise(&request)[..32], noise(&other_request)[..32]);
}

#[test]
fn every_bit_of_a_request_counts() {
    let (deployment, mut rng) = (Deployment::new(), rng(3));
    let (_, mut request) = deployment.initiate(&mut rng);
    for bit in 0..request.len() * 8 {
        request[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(deployment.outer.unwrap_request(&request), Err(HandshakeError::NotOurs), "bit {bit}");
        request[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(deployment.read(&request, &mut rng).is_some());
}

#[test]
fn every_bit_of_an_answer_counts_and_none_of_them_harms() {
    let (deployment, mut rng) = (Deployment::new(), rng(4));
    let (mut initiation, request) = deployment.initiate(&mut rng);
    let (mut answer, _) = deployment.answer(&request, &mut rng);
    for bit in 0..answer.len() * 8 {
        answer[bit / 8] ^= 1 << (bit % 8);
        let refused = initiation.complete(&deployment.outer, &answer);
        assert_eq!(refused.err(), Some(HandshakeError::NotOurs), "bit {bit}");
        answer[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(initiation.complete(&deployment.outer, &answer).is_ok());
}

/// Whoever holds the deployment's secret can change a Noise message and wrap it again.
#[test]
fn every_bit_of_the_noise_messages_counts_too() {
    let (deployment, mut rng) = (Deployment::new(), rng(5));
    let (mut initiation, request) = deployment.initiate(&mut rng);
    let nonce: [u8; 24] = request[..24].try_into().unwrap();
    let (answer, _) = deployment.answer(&request, &mut rng);
    let (_, mut noise) = deployment.outer.unwrap_request(&request).unwrap();
    for bit in 0..noise.len() * 8 {
        noise[bit / 8] ^= 1 << (bit % 8);
        let refused = Request::read(Version::CURRENT, &deployment.psk, &deployment.server, &noise, &mut rng);
        assert_eq!(refused.err(), Some(HandshakeError::Forged), "bit {bit}");
        noise[bit / 8] ^= 1 << (bit % 8);
    }
    let mut noise = unwrap(&deployment.outer.to_client, &nonce, &answer).unwrap();
    for bit in 0..noise.len() * 8 {
        noise[bit / 8] ^= 1 << (bit % 8);
        let forged = wrap(&deployment.outer.to_client, [6; 24], &nonce, &noise, 0);
        let refused = initiation.complete(&deployment.outer, &forged);
        assert_eq!(refused.err(), Some(HandshakeError::Forged), "bit {bit}");
        noise[bit / 8] ^= 1 << (bit % 8);
    }
    let rewrapped = wrap(&deployment.outer.to_client, [6; 24], &nonce, &noise, 9);
    assert!(initiation.complete(&deployment.outer, &rewrapped).is_ok());
}

#[test]
fn every_truncation_is_refused() {
    let (deployment, mut rng) = (Deployment::new(), rng(6));
    let (mut initiation, request) = deployment.initiate(&mut rng);
    let (answer, _) = deployment.answer(&request, &mut rng);
    for length in 0..request.len() {
        assert!(deployment.outer.unwrap_request(&request[..length]).is_err(), "{length}");
    }
    for length in 0..answer.len() {
        assert!(initiation.complete(&deployment.outer, &answer[..length]).is_err(), "{length}");
    }
    let (_, noise) = deployment.outer.unwrap_request(&request).unwrap();
    for length in 0..noise.len() {
        let read = Request::read(Version::CURRENT, &deployment.psk, &deployment.server, &noise[..length], &mut rng);
        assert!(read.is_err(), "{length}");
    }
}

#[test]
fn a_datagram_of_a_wrong_length_version_or_inner_length_is_refused() {
    let (outer, nonce) = (&Deployment::new().outer, [5; 24]);
    let sealed = |body: &[u8]| outer.unwrap_request(&wrap_body(&outer.to_server, nonce, b"", body));
    assert_eq!(sealed(&[1, 0, 2, 7, 8, 0]), Ok((Version::V1, vec![7, 8])));
    assert_eq!(sealed(&[2, 0, 2, 7, 8]), Ok((Version::V2, vec![7, 8])));
    assert_eq!(sealed(&[1, 0, 2, 7]), Err(HandshakeError::Malformed), "a message beyond the datagram");
    assert_eq!(sealed(&[1, 0xff, 0xff, 7]), Err(HandshakeError::Malformed));
    assert_eq!(sealed(&[0, 0, 1, 7]), Err(HandshakeError::Malformed), "version 0");
    assert_eq!(sealed(&[3, 0, 1, 7]), Err(HandshakeError::Malformed), "version 3");
    assert_eq!(sealed(&[1, 0]), Err(HandshakeError::NotOurs), "no room for a length");
    let longest = wrap(&outer.to_server, nonce, b"", &[7], DATAGRAM_MAX - 24 - 16 - 4);
    assert_eq!((longest.len(), outer.unwrap_request(&longest)), (DATAGRAM_MAX, Ok((Version::CURRENT, vec![7]))));
    let longer = wrap(&outer.to_server, nonce, b"", &[7], DATAGRAM_MAX - 24 - 16 - 3);
    assert_eq!(outer.unwrap_request(&longer), Err(HandshakeError::NotOurs));
}

#[test]
fn only_the_right_secret_server_and_user_complete_it() {
    let (right, mut rng) = (Deployment::new(), rng(7));
    let wrong_psk = Deployment::of([9; 32], [2; 32], [3; 32]);
    let wrong_server = Deployment::of([1; 32], [9; 32], [3; 32]);
    for wrong in [&wrong_psk, &wrong_server] {
        let (_, request) = wrong.initiate(&mut rng);
        assert_eq!(right.outer.unwrap_request(&request), Err(HandshakeError::NotOurs));
        // The outer key alone, from wherever, opens no Noise message to another server.
        let (_, noise) = wrong.outer.unwrap_request(&request).unwrap();
        let read = Request::read(Version::CURRENT, &right.psk, &right.server, &noise, &mut rng);
        // Message 1 does not depend on the secret, which is mixed in at the end of message 2.
        assert_eq!(read.is_ok(), wrong.server == right.server);
    }
    // A message 2 made with another secret does not authenticate.
    let (mut initiation, request) = right.initiate(&mut rng);
    let (_, noise) = right.outer.unwrap_request(&request).unwrap();
    let read = Request::read(Version::CURRENT, &wrong_psk.psk, &right.server, &noise, &mut rng).unwrap();
    let (answer, _) = read.answer(&right.outer, &welcome(), &request, &mut rng).unwrap();
    assert_eq!(initiation.complete(&right.outer, &answer).err(), Some(HandshakeError::Forged));
    // Another user is another user.
    let other = Deployment::of([1; 32], [2; 32], [9; 32]);
    let (_, request) = other.initiate(&mut rng);
    assert_eq!(right.read(&request, &mut rng).unwrap().user, other.user.public());
    assert_ne!(other.user.public(), right.user.public());
}

#[test]
fn the_answer_to_another_request_changes_nothing() {
    let (deployment, mut rng) = (Deployment::new(), rng(8));
    let (mut first, first_request) = deployment.initiate(&mut rng);
    let (mut second, second_request) = deployment.initiate(&mut rng);
    let (first_answer, first_keys) = deployment.answer(&first_request, &mut rng);
    let (second_answer, second_keys) = deployment.answer(&second_request, &mut rng);
    // It fails at the outer layer already: a recorded answer costs a client no Noise.
    assert_eq!(first.complete(&deployment.outer, &second_answer).err(), Some(HandshakeError::NotOurs));
    assert_eq!(second.complete(&deployment.outer, &first_answer).err(), Some(HandshakeError::NotOurs));
    // And at the Noise layer, for whoever wraps it again.
    let nonce = |datagram: &[u8]| <[u8; 24]>::try_from(&datagram[..24]).unwrap();
    let noise = unwrap(&deployment.outer.to_client, &nonce(&second_request), &second_answer).unwrap();
    let moved = wrap(&deployment.outer.to_client, [1; 24], &nonce(&first_request), &noise, 0);
    assert_eq!(first.complete(&deployment.outer, &moved).err(), Some(HandshakeError::Forged));
    assert!(same_keys(&first.complete(&deployment.outer, &first_answer).unwrap().1, &first_keys));
    assert!(same_keys(&second.complete(&deployment.outer, &second_answer).unwrap().1, &second_keys));
    // An answer completes its request once.
    assert!(first.complete(&deployment.outer, &first_answer).is_err());
}

#[test]
fn the_answer_is_never_longer_than_the_request_and_no_length_is_common() {
    let deployment = Deployment::new();
    let welcome = Welcome { params: vec![0; PARAMS_MAX], ..welcome() };
    let hello = Hello { params: vec![0; PARAMS_MAX], ..hello() };
    let (mut requests, mut answers) = (HashSet::new(), HashSet::new());
    for seed in 0..2000 {
        let mut rng = rng(seed);
        let (_, request) =
            Initiation::new(Version::CURRENT, &deployment.client_keys(), &deployment.outer, &hello, ANY_SIZE, &mut rng);
        let read = deployment.read(&request, &mut rng).unwrap();
        let (answer, _) = read.answer(&deployment.outer, &welcome, &request, &mut rng).expect("long enough");
        assert!((REQUEST_MIN..=DATAGRAM_MAX).contains(&request.len()));
        assert!(answer.len() <= request.len());
        requests.insert(request.len());
        answers.insert(answer.len());
    }
    // Of 936 lengths at most, about 824 are met in 2000 draws.
    assert!(requests.len() > 700 && answers.len() > 500, "{} {}", requests.len(), answers.len());
}

/// A version that somebody with the deployment's secret changes on the way authenticates nothing.
#[test]
fn a_version_is_part_of_what_both_ends_prove() {
    let (deployment, mut rng) = (Deployment::new(), rng(13));
    for (spoken, claimed) in [(Version::V1, Version::V2), (Version::V2, Version::V1)] {
        let (mut initiation, request) = deployment.initiate_as(spoken, &mut rng);
        let (_, noise) = deployment.outer.unwrap_request(&request).unwrap();
        let refused = Request::read(claimed, &deployment.psk, &deployment.server, &noise, &mut rng);
        assert!(matches!(refused, Err(HandshakeError::Forged)));
        let read = Request::read(spoken, &deployment.psk, &deployment.server, &noise, &mut rng).unwrap();
        let (answer, _) = read.answer(&deployment.outer, &welcome(), &request, &mut rng).unwrap();
        let noise = unwrap(&deployment.outer.to_client, &request[..24], &answer).unwrap();
        let changed = wrap_as(claimed as u8, &deployment.outer.to_client, [4; 24], &request[..24], &noise, 0);
        assert!(matches!(initiation.complete(&deployment.outer, &changed), Err(HandshakeError::Malformed)));
        assert!(initiation.complete(&deployment.outer, &answer).is_ok());
    }
}

#[test]
fn a_request_too_short_for_the_answer_has_none() {
    let (deployment, mut rng) = (Deployment::new(), rng(9));
    let (_, request) = deployment.initiate(&mut rng);
    let (_, noise) = deployment.outer.unwrap_request(&request).unwrap();
    let short = wrap(&deployment.outer.to_server, [4; 24], b"", &noise, 0);
    let welcome = Welcome { params: vec![0; PARAMS_MAX], ..welcome() };
    let answer = |request: &[u8], rng: &mut _| {
        deployment.read(request, rng).unwrap().answer(&deployment.outer, &welcome, request, rng)
    };
    assert!(short.len() < REQUEST_MIN && answer(&short, &mut rng).is_none());
    assert!(answer(&request, &mut rng).is_some());
}

#[test]
fn the_fingerprint_is_of_the_noise_message() {
    let (deployment, mut rng) = (Deployment::new(), rng(10));
    let (_, request) = deployment.initiate(&mut rng);
    let (_, noise) = deployment.outer.unwrap_request(&request).unwrap();
    let again = wrap(&deployment.outer.to_server, [4; 24], b"", &noise, 77);
    assert_ne!(again, request);
    assert_eq!(digest(&deployment.outer.unwrap_request(&again).unwrap().1), digest(&noise));
    assert_ne!(digest(&noise), digest(&noise[..noise.len() - 1]));
}

#[test]
fn random_bytes_are_nobodys_handshake() {
    let (deployment, mut rng) = (Deployment::new(), rng(11));
    let (mut initiation, _) = deployment.initiate(&mut rng);
    for length in 0..1500 {
        let mut bytes = vec![0; length];
        rng.fill_bytes(&mut bytes);
        assert_eq!(deployment.outer.unwrap_request(&bytes), Err(HandshakeError::NotOurs));
        assert!(initiation.complete(&deployment.outer, &bytes).is_err());
    }
}

/// A public key of small order needs no private key: every shared secret with it is zero.
#[test]
fn nobody_authenticates_with_a_key_of_small_order() {
    let (deployment, mut rng) = (Deployment::new(), rng(12));
    let (mut message, server) = ([0; DATAGRAM_MAX], deployment.server.public());
    let mut noise =
        snow::Builder::with_resolver("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s".parse().unwrap(), Box::new(ZeroStatic))
            .prologue(b"ginnel/2")
            .and_then(|builder| builder.psk(2, deployment.psk.expose()))
            .and_then(|builder| builder.local_private_key(&[0; 32]))
            .and_then(|builder| builder.remote_public_key(&server.0))
            .and_then(snow::Builder::build_initiator)
            .unwrap();
    let written = noise.write_message(&hello().encode(), &mut message).unwrap();
    let read = Request::read(Version::CURRENT, &deployment.psk, &deployment.server, &message[..written], &mut rng);
    assert_eq!(read.map(|request| request.user).err(), Some(HandshakeError::Forged), "{:?}", PublicKey([0; 32]));
}

/// Primitives of an attacker whose static key is the point of order one.
struct ZeroStatic;

struct ZeroDh {
    ephemeral: Box<dyn Dh>,
    is_static: bool,
}

impl CryptoResolver for ZeroStatic {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        DefaultResolver.resolve_rng()
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        Some(Box::new(ZeroDh { ephemeral: DefaultResolver.resolve_dh(choice)?, is_static: false }))
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

impl Dh for ZeroDh {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, _privkey: &[u8]) {
        self.is_static = true;
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), snow::Error> {
        self.ephemeral.generate(rng)
    }

    fn pubkey(&self) -> &[u8] {
        if self.is_static { &[0; 32] } else { self.ephemeral.pubkey() }
    }

    fn privkey(&self) -> &[u8] {
        self.ephemeral.privkey()
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        if self.is_static {
            out.fill(0);
            return Ok(());
        }
        self.ephemeral.dh(pubkey, out)
    }
}
