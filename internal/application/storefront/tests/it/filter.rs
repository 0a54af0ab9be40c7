use std::num::NonZeroU32;
use std::sync::Arc;

use millstream_model::{Partition, TopicName};
use millstream_ports::CodecError;
use millstream_runtime::{ProcessorError, dead_letter_header as header};
use millstream_shop::{Case, Catalogue, Image, ImageSet, Product};
use millstream_sim::{Sim, SimRecord, TestError, Tester};
use millstream_storefront::wire::{ProductStateWire, ProductWire};
use millstream_storefront::{
    FILTER_KEY, FilterParts, FilterTopics, ProductShape, ProductStateShape, filter_graph, filter_topic_of,
};

use crate::json::Json;

const GROUP: &str = "stream";

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

/// The stream on topics of one partition, so that their order is plain.
fn stream_with(sim: &Sim, case: Case, check: fn(&[u8]) -> Result<(), CodecError>) -> Tester {
    for name in ["products", "filtered", "complete", "stream-filter"] {
        sim.create(name, 1);
    }
    let topics = FilterTopics {
        products: topic("products"),
        filtered: topic("filtered"),
        complete: topic("complete"),
        filter: filter_topic_of(GROUP).unwrap(),
    };
    let parts = FilterParts {
        product: Json::<ProductShape>::new(),
        state: Json::<ProductStateShape>::new(),
        check_forward: Arc::new(check),
        case,
    };
    Tester::on(sim.clone(), filter_graph(GROUP, &topics, parts).unwrap())
}

fn stream() -> Tester {
    stream_with(&Sim::new(), Case::Insensitive, |_| Ok(()))
}

fn product(id: &str, name: &str) -> Product {
    let any = Catalogue::new(1, NonZeroU32::MIN, 1).next().unwrap().product;
    let id = millstream_shop::ProductId::new(id).unwrap();
    Product { id, name: name.to_owned(), images: ImageSet::new(0, Vec::new()), ..any }
}

fn with_images(id: &str, declared: u32, urls: &[&str]) -> Product {
    let image = |url: &&str| Image { url: (*url).to_owned(), alt: String::new() };
    let images = ImageSet::new(declared, urls.iter().map(image).collect());
    Product { images, ..product(id, "Lamp") }
}

fn json(product: &Product) -> Vec<u8> {
    serde_json::to_vec(&ProductWire::from(product)).unwrap()
}

fn announce(stream: &Tester, product: &Product) {
    write(stream, product.id.as_str(), Some(&json(product)));
}

fn write(stream: &Tester, key: &str, value: Option<&[u8]>) {
    stream.sim().write("products", key.as_bytes(), value);
}

fn set_filter(stream: &mut Tester, text: Option<&str>) {
    stream.sim().write("stream-filter", FILTER_KEY.as_bytes(), text.map(str::as_bytes));
    stream.run().unwrap();
}

fn read(stream: &Tester, name: &str) -> Vec<SimRecord> {
    stream.sim().read(name)
}

fn keys(records: &[SimRecord]) -> Vec<String> {
    let key = |record: &SimRecord| String::from_utf8(record.key.clone().unwrap()).unwrap();
    records.iter().map(key).collect()
}

fn seen(stream: &mut Tester, id: &str) -> Option<(i64, usize)> {
    let bytes = stream.bytes(id.as_bytes()).unwrap()?;
    let state: ProductStateWire<'_> = serde_json::from_slice(&bytes).unwrap();
    Some((state.seen, state.product.images.len()))
}

#[test]
fn the_filter_holds_for_what_is_processed_after_it_was_set() {
    let mut stream = stream();
    announce(&stream, &product("before", "Chair"));
    stream.run().unwrap();
    for (text, suffix) in
        [(Some("lamp"), "1"), (Some("chair"), "2"), (Some(""), "3"), (Some("lamp"), "4"), (None, "5")]
    {
        set_filter(&mut stream, text);
        for name in ["Desk LAMP", "Chair"] {
            announce(&stream, &product(&format!("{name}/{suffix}"), name));
        }
        stream.run().unwrap();
    }
    let passed = [
        "before",
        "Desk LAMP/1",
        "Chair/2",
        "Desk LAMP/3",
        "Chair/3",
        "Desk LAMP/4",
        "Desk LAMP/5",
        "Chair/5",
    ];
    assert_eq!(keys(&read(&stream, "filtered")), passed);
}

#[test]
fn case_counts_when_asked_to() {
    let mut stream = stream_with(&Sim::new(), Case::Sensitive, |_| Ok(()));
    set_filter(&mut stream, Some("Lamp"));
    for name in ["Lamp", "lamp", "LAMP"] {
        announce(&stream, &product(name, name));
    }
    stream.run().unwrap();
    assert_eq!(keys(&read(&stream, "filtered")), ["Lamp"]);
}

#[test]
fn what_passes_is_passed_on_byte_for_byte() {
    let mut stream = stream();
    // A field that the stream does not know is still there behind it.
    let mut value: serde_json::Value = serde_json::from_slice(&json(&product("p", "Lamp"))).unwrap();
    value["weight_g"] = 5.into();
    let bytes = serde_json::to_vec_pretty(&value).unwrap();
    write(&stream, "p", Some(&bytes));
    stream.run().unwrap();
    assert_eq!(read(&stream, "filtered")[0].value.as_deref(), Some(bytes.as_slice()));
}

#[test]
fn the_filter_and_the_table_survive_a_restart() {
    let mut stream = stream();
    set_filter(&mut stream, Some("lamp"));
    announce(&stream, &product("a", "Lamp"));
    stream.run().unwrap();
    stream.stop().unwrap();
    announce(&stream, &product("b", "Chair"));
    announce(&stream, &product("a", "Lamp"));
    stream.run().unwrap();
    assert_eq!(keys(&read(&stream, "filtered")), ["a", "a"]);
    assert_eq!((seen(&mut stream, "a"), seen(&mut stream, "b")), (Some((2, 0)), Some((1, 0))));
}

#[test]
fn a_product_is_complete_once_with_the_images_of_all_its_messages() {
    let mut stream = stream();
    set_filter(&mut stream, Some("nothing is called this"));
    announce(&stream, &with_images("p", 3, &["1"]));
    announce(&stream, &with_images("p", 3, &["1", "2"]));
    stream.run().unwrap();
    assert_eq!(read(&stream, "complete"), []);
    for urls in [&["3"][..], &["2"], &["4"]] {
        announce(&stream, &with_images("p", 3, urls));
    }
    announce(&stream, &with_images("whole", 1, &["1"]));
    stream.run().unwrap();
    let complete = read(&stream, "complete");
    assert_eq!(keys(&complete), ["p", "whole"]);
    let merged: ProductWire<'_> = serde_json::from_slice(complete[0].value.as_deref().unwrap()).unwrap();
    assert_eq!(merged.images.iter().map(|image| image.url.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(read(&stream, "filtered"), [], "completeness does not depend on the filter");
}

#[test]
fn what_is_delivered_again_counts_once_and_repeats_its_outputs() {
    let mut stream = stream();
    for urls in [&["1"][..], &["2"], &["2"]] {
        announce(&stream, &with_images("p", 2, urls));
    }
    stream.run().unwrap();
    stream.stop().unwrap();
    let (filtered, complete) = (read(&stream, "filtered"), read(&stream, "complete"));
    // As after a crash between the table's commit and that of the offsets.
    stream.sim().forget_committed(GROUP);
    stream.run().unwrap();
    assert_eq!(seen(&mut stream, "p"), Some((3, 2)));
    assert_eq!(read(&stream, "complete"), [complete.clone(), complete].concat());
    assert_eq!(read(&stream, "filtered"), [filtered.clone(), filtered].concat());
}

#[test]
fn a_tombstone_deletes_the_product_here_and_behind() {
    let mut stream = stream();
    announce(&stream, &product("p", "Lamp"));
    set_filter(&mut stream, Some("chair"));
    write(&stream, "p", None);
    stream.run().unwrap();
    let last = read(&stream, "filtered").pop().unwrap();
    assert_eq!((last.key.as_deref(), last.value), (Some(&b"p"[..]), None), "whatever the filter says");
    assert_eq!(seen(&mut stream, "p"), None);
    assert_eq!(read(&stream, "stream-table").pop().unwrap().value, None);
}

#[test]
fn what_is_no_product_goes_to_the_dead_letters_and_the_rest_goes_on() {
    let mut stream = stream();
    let mut no_product: serde_json::Value = serde_json::from_slice(&json(&product("p", "Lamp"))).unwrap();
    no_product["id"] = "".into();
    let no_product = serde_json::to_vec(&no_product).unwrap();
    for bytes in [&b"not JSON"[..], &no_product] {
        write(&stream, "p", Some(bytes));
    }
    announce(&stream, &product("q", "Lamp"));
    stream.run().unwrap();
    let letters = read(&stream, "stream-dead-letters");
    for (offset, (letter, reason)) in letters.iter().zip(["expected", "a product id is empty"]).enumerate() {
        let told = |name| String::from_utf8(letter.headers.last(name).unwrap().to_vec()).unwrap();
        assert_eq!(
            [told(header::TOPIC), told(header::OFFSET), told(header::STAGE)],
            ["products".to_owned(), offset.to_string(), "decode".to_owned()]
        );
        assert!(told(header::MESSAGE).contains(reason), "{}", told(header::MESSAGE));
    }
    assert_eq!((letters.len(), letters[1].value.as_deref()), (2, Some(no_product.as_slice())));
    assert_eq!(keys(&read(&stream, "filtered")), ["q"]);
}

#[test]
fn what_could_not_be_read_behind_is_not_passed_on() {
    let refuses = |_: &[u8]| Err(CodecError::new("the schema is refused"));
    let mut stream = stream_with(&Sim::new(), Case::Insensitive, refuses);
    announce(&stream, &product("p", "Lamp"));
    let ended = stream.run().unwrap_err();
    assert!(
        matches!(ended, TestError::Processor(ProcessorError::Record { stage: "callback", .. })),
        "{ended}"
    );
    assert!(ended.to_string().contains("the schema is refused"), "{ended}");
    let committed = stream.sim().committed(GROUP, "products", Partition::new(0));
    assert_eq!((read(&stream, "filtered"), committed), (Vec::new(), None));
}

#[test]
fn a_second_instance_on_the_same_storage_follows_the_filter_too() {
    let sim = Sim::new();
    let [mut first, mut second] =
        [sim.clone(), sim.process()].map(|process| stream_with(&process, Case::Insensitive, |_| Ok(())));
    first.run().unwrap();
    second.run().unwrap();
    set_filter(&mut first, Some("lamp"));
    second.run().unwrap();
    let filter = |stream: &mut Tester| stream.lookup("stream-filter", FILTER_KEY.as_bytes()).unwrap();
    assert_eq!((filter(&mut first), filter(&mut second)), (Some(b"lamp".to_vec()), Some(b"lamp".to_vec())));
}
