//! Bytes that are no requests: they end their own connection, and harm nothing else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use millstream_broker::{Broker, BrokerSettings};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;

/// A request with its length before it.
fn frame(key: ApiKey, version: i16, body: &impl Encodable) -> Vec<u8> {
    let header = RequestHeader::default().with_request_api_key(key as i16).with_request_api_version(version);
    let header = header.with_correlation_id(77).with_client_id(Some(StrBytes::from_static_str("frames")));
    let mut bytes = BytesMut::new();
    header.encode(&mut bytes, key.request_header_version(version)).unwrap();
    body.encode(&mut bytes, version).unwrap();
    let mut whole = BytesMut::new();
    whole.put_u32(u32::try_from(bytes.len()).unwrap());
    whole.extend(bytes);
    whole.to_vec()
}

/// Sends bytes, and reads what comes until the broker closes or waits for more.
fn ask(broker: &Broker, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(broker.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The broker may have closed in the middle of it.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn versions(broker: &Broker, version: i16) -> ApiVersionsResponse {
    let answer = ask(broker, &frame(ApiKey::ApiVersions, version.min(4), &ApiVersionsRequest::default()));
    let mut body = bytes::Bytes::from(answer).slice(4..);
    assert_eq!(ResponseHeader::decode(&mut body, 0).unwrap().correlation_id, 77);
    ApiVersionsResponse::decode(&mut body, version.min(4)).unwrap()
}

fn small(data: &TempDir) -> BrokerSettings {
    let listen = ([127, 0, 0, 1], 0).into();
    BrokerSettings { request_bytes_max: 100_000, ..BrokerSettings::new(data.path(), listen) }
}

#[test]
fn what_is_too_new_is_told_what_is_known() {
    let data = TempDir::new().unwrap();
    let broker = Broker::start(small(&data)).unwrap();
    let known = versions(&broker, 4);
    assert_eq!(known.error_code, 0);
    for key in &known.api_keys {
        assert!(key.min_version <= key.max_version, "{key:?}");
    }
    let mut newest = frame(ApiKey::ApiVersions, 4, &ApiVersionsRequest::default());
    newest[6..8].copy_from_slice(&99_i16.to_be_bytes());
    let mut body = bytes::Bytes::from(ask(&broker, &newest)).slice(8..);
    let told = ApiVersionsResponse::decode(&mut body, 0).unwrap();
    assert_eq!((told.error_code, told.api_keys.len()), (35, known.api_keys.len()));
}

/// Requests of every kind and version, empty but for their heads: each is answered, or is malformed and closes.
#[test]
fn every_kind_and_version_is_met_without_harm() {
    let data = TempDir::new().unwrap();
    let broker = Broker::start(small(&data)).unwrap();
    for key in versions(&broker, 4).api_keys {
        let kind = ApiKey::try_from(key.api_key).unwrap();
        for version in key.min_version..=key.max_version {
            for length in [0, 1, 4, 20, 200] {
                for byte in [0, 0xff, 0x7f] {
                    let header = RequestHeader::default()
                        .with_request_api_key(key.api_key)
                        .with_request_api_version(version);
                    let mut bytes = BytesMut::new();
                    header.encode(&mut bytes, kind.request_header_version(version)).unwrap();
                    bytes.extend(std::iter::repeat_n(byte, length));
                    let mut whole = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
                    whole.extend(bytes);
                    ask(&broker, &whole);
                }
            }
        }
    }
    assert_eq!(versions(&broker, 3).error_code, 0);
}

#[test]
fn random_and_mutated_bytes_end_their_own_connection_only() {
    let data = TempDir::new().unwrap();
    let broker = Broker::start(small(&data)).unwrap();
    let mut steady = TcpStream::connect(broker.address()).unwrap();
    let good = frame(ApiKey::Metadata, 12, &MetadataRequest::default());
    let random = (any::<Vec<u8>>(), any::<bool>()).prop_map(|(bytes, framed)| {
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        if framed { [&length[..], &bytes].concat() } else { bytes }
    });
    let base = good.clone();
    let mutated = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6).prop_map(
        move |changes| {
            let mut bytes = base.clone();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    );
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let harmless = |bytes: Vec<u8>| {
        ask(&broker, &bytes);
        steady.write_all(&good).unwrap();
        let mut length = [0; 4];
        steady.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        steady.read_exact(&mut answer).unwrap();
        assert_eq!(answer[..4], 77_i32.to_be_bytes());
        Ok(())
    };
    let harmless = std::cell::RefCell::new(harmless);
    runner.run(&prop_oneof![random, mutated], |bytes| (harmless.borrow_mut())(bytes)).unwrap();
}

#[test]
fn sizes_and_connections_are_bounded() {
    let data = TempDir::new().unwrap();
    let broker = Broker::start(BrokerSettings { connections_max: 5, ..small(&data) }).unwrap();
    for length in [100_001_u32, u32::MAX, i32::MAX.cast_unsigned()] {
        assert!(ask(&broker, &length.to_be_bytes()).is_empty(), "{length}");
    }
    // A list that announces two thousand million topics in a few bytes.
    let mut lying = frame(ApiKey::Metadata, 8, &MetadataRequest::default().with_topics(Some(Vec::new())));
    let at = lying.len() - 7;
    lying[at..at + 4].copy_from_slice(&i32::MAX.to_be_bytes());
    assert!(ask(&broker, &lying).is_empty());
    let mut open: Vec<_> = (0..5).map(|_| TcpStream::connect(broker.address()).unwrap()).collect();
    let mut refused = TcpStream::connect(broker.address()).unwrap();
    refused.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(refused.read(&mut [0; 1]).unwrap_or(0), 0, "one too many is closed");
    open.clear();
    let mut answer = 0;
    crate::stage::until("there is room again", || {
        answer = ask(&broker, &frame(ApiKey::ApiVersions, 0, &ApiVersionsRequest::default())).len();
        answer > 0
    });
}
