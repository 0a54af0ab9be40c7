use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use millstream_model::Offset;
use millstream_ports::CodecError;
use millstream_runtime::{Processor, ProcessorError, Running, Settings, dead_letter_header as header};
use millstream_shop::{Case, Catalogue, Image, ImageSet, Product};
use millstream_storefront::wire::{ProductStateWire, ProductWire};
use millstream_storefront::{
    FILTER_KEY, FilterParts, FilterTopics, ProductShape, ProductStateShape, filter_graph, filter_topic_of,
};

use crate::json::Json;
use crate::world::{Kept, Memory, topic};

const GROUP: &str = "stream";
const WAIT: Duration = Duration::from_mins(1);

/// The shop's topics, of one partition so that their order is plain.
fn world() -> Memory {
    let world = Memory::default();
    for name in ["products", "filtered", "complete", "stream-filter"] {
        world.create(name, 1);
    }
    world
}

fn start_with(world: &Memory, case: Case, check: fn(&[u8]) -> Result<(), CodecError>) -> Running {
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
    let graph = filter_graph(GROUP, &topics, parts).unwrap();
    let settings = Settings { workers: 1, commit_interval: Duration::from_millis(5), ..Settings::default() };
    Processor::new(world.clone(), graph).settings(settings).start().unwrap()
}

fn start(world: &Memory) -> Running {
    start_with(world, Case::Insensitive, |_| Ok(()))
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

fn announce(world: &Memory, product: &Product) {
    world.write("products", product.id.as_str(), Some(&json(product)));
}

fn set_filter(world: &Memory, running: &Running, text: Option<&str>) {
    let value = text.map(str::as_bytes);
    world.write("stream-filter", FILTER_KEY, value);
    running.wait_lookup(&topic("stream-filter"), FILTER_KEY.as_bytes(), value, WAIT).unwrap();
}

/// Waits until everything announced is taken in and committed.
fn drain(world: &Memory) {
    let place = (GROUP.to_owned(), topic("products"), millstream_model::Partition::new(0));
    world.until(|inside| {
        let end = inside.topics[&topic("products")][0].len();
        inside.committed.get(&place).copied().unwrap_or_default() == Offset(i64::try_from(end).unwrap())
    });
}

fn keys(records: &[Kept]) -> Vec<String> {
    let key = |kept: &Kept| String::from_utf8(kept.key.clone().unwrap()).unwrap();
    records.iter().map(key).collect()
}

fn seen(running: &Running, id: &str) -> Option<(i64, usize)> {
    let bytes = running.table().get(id.as_bytes()).unwrap()?;
    let state: ProductStateWire<'_> = serde_json::from_slice(&bytes).unwrap();
    Some((state.seen, state.product.images.len()))
}

#[test]
fn the_filter_holds_for_what_is_processed_after_it_was_set() {
    let world = world();
    let running = start(&world);
    let round = |text: Option<&str>, suffix: &str| {
        set_filter(&world, &running, text);
        for name in ["Desk LAMP", "Chair"] {
            announce(&world, &product(&format!("{name}/{suffix}"), name));
        }
        drain(&world);
    };
    announce(&world, &product("before", "Chair"));
    drain(&world);
    round(Some("lamp"), "1");
    round(Some("chair"), "2");
    round(Some(""), "3");
    round(Some("lamp"), "4");
    round(None, "5");
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
    assert_eq!(keys(&world.read("filtered")), passed);
    running.stop().unwrap();
}

#[test]
fn case_counts_when_asked_to() {
    let world = world();
    let running = start_with(&world, Case::Sensitive, |_| Ok(()));
    set_filter(&world, &running, Some("Lamp"));
    for name in ["Lamp", "lamp", "LAMP"] {
        announce(&world, &product(name, name));
    }
    drain(&world);
    assert_eq!(keys(&world.read("filtered")), ["Lamp"]);
    running.stop().unwrap();
}

#[test]
fn what_passes_is_passed_on_byte_for_byte() {
    let world = world();
    let running = start(&world);
    // A field that the stream does not know is still there behind it.
    let mut value: serde_json::Value = serde_json::from_slice(&json(&product("p", "Lamp"))).unwrap();
    value["weight_g"] = 5.into();
    let bytes = serde_json::to_vec_pretty(&value).unwrap();
    world.write("products", "p", Some(&bytes));
    drain(&world);
    assert_eq!(world.read("filtered")[0].value.as_deref(), Some(bytes.as_slice()));
    running.stop().unwrap();
}

#[test]
fn the_filter_and_the_table_survive_a_restart() {
    let world = world();
    let running = start(&world);
    set_filter(&world, &running, Some("lamp"));
    announce(&world, &product("a", "Lamp"));
    drain(&world);
    running.stop().unwrap();
    announce(&world, &product("b", "Chair"));
    announce(&world, &product("a", "Lamp"));
    let running = start(&world);
    drain(&world);
    assert_eq!(keys(&world.read("filtered")), ["a", "a"]);
    assert_eq!((seen(&running, "a"), seen(&running, "b")), (Some((2, 0)), Some((1, 0))));
    running.stop().unwrap();
}

#[test]
fn a_product_is_complete_once_with_the_images_of_all_its_messages() {
    let world = world();
    let running = start(&world);
    set_filter(&world, &running, Some("nothing is called this"));
    announce(&world, &with_images("p", 3, &["1"]));
    announce(&world, &with_images("p", 3, &["1", "2"]));
    drain(&world);
    assert_eq!(world.read("complete"), []);
    for urls in [&["3"][..], &["2"], &["4"]] {
        announce(&world, &with_images("p", 3, urls));
    }
    announce(&world, &with_images("whole", 1, &["1"]));
    drain(&world);
    let complete = world.read("complete");
    assert_eq!(keys(&complete), ["p", "whole"]);
    let merged: ProductWire<'_> = serde_json::from_slice(complete[0].value.as_deref().unwrap()).unwrap();
    assert_eq!(merged.images.iter().map(|image| image.url.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(world.read("filtered"), [], "completeness does not depend on the filter");
    running.stop().unwrap();
}

#[test]
fn what_is_delivered_again_counts_once_and_repeats_its_outputs() {
    let world = world();
    let running = start(&world);
    for urls in [&["1"][..], &["2"], &["2"]] {
        announce(&world, &with_images("p", 2, urls));
    }
    drain(&world);
    running.stop().unwrap();
    let (filtered, complete) = (world.read("filtered"), world.read("complete"));
    // As after a crash between the table's commit and that of the offsets.
    world.locked().committed.clear();
    let running = start(&world);
    drain(&world);
    assert_eq!(seen(&running, "p"), Some((3, 2)));
    assert_eq!(world.read("complete"), [complete.clone(), complete].concat());
    assert_eq!(world.read("filtered"), [filtered.clone(), filtered].concat());
    running.stop().unwrap();
}

#[test]
fn a_tombstone_deletes_the_product_here_and_behind() {
    let world = world();
    let running = start(&world);
    announce(&world, &product("p", "Lamp"));
    set_filter(&world, &running, Some("chair"));
    world.write("products", "p", None);
    drain(&world);
    let last = world.read("filtered").pop().unwrap();
    assert_eq!((last.key.as_deref(), last.value), (Some(&b"p"[..]), None), "whatever the filter says");
    assert_eq!(seen(&running, "p"), None);
    assert_eq!(world.read("stream-table").pop().unwrap().value, None);
    running.stop().unwrap();
}

#[test]
fn what_is_no_product_goes_to_the_dead_letters_and_the_rest_goes_on() {
    let world = world();
    let running = start(&world);
    let mut no_product: serde_json::Value = serde_json::from_slice(&json(&product("p", "Lamp"))).unwrap();
    no_product["id"] = "".into();
    let no_product = serde_json::to_vec(&no_product).unwrap();
    for bytes in [&b"not JSON"[..], &no_product] {
        world.write("products", "p", Some(bytes));
    }
    announce(&world, &product("q", "Lamp"));
    drain(&world);
    let letters = world.read("stream-dead-letters");
    for (offset, (letter, reason)) in letters.iter().zip(["expected", "a product id is empty"]).enumerate() {
        let told = |name| String::from_utf8(letter.headers.last(name).unwrap().to_vec()).unwrap();
        assert_eq!(
            [told(header::TOPIC), told(header::OFFSET), told(header::STAGE)],
            ["products".to_owned(), offset.to_string(), "decode".to_owned()]
        );
        assert!(told(header::MESSAGE).contains(reason), "{}", told(header::MESSAGE));
    }
    assert_eq!((letters.len(), letters[1].value.as_deref()), (2, Some(no_product.as_slice())));
    assert_eq!(keys(&world.read("filtered")), ["q"]);
    running.stop().unwrap();
}

#[test]
fn what_could_not_be_read_behind_is_not_passed_on() {
    let world = world();
    let running = start_with(&world, Case::Insensitive, |_| Err(CodecError::new("the schema is refused")));
    announce(&world, &product("p", "Lamp"));
    let ended = running.join().unwrap_err();
    assert!(matches!(ended, ProcessorError::Record { stage: "callback", .. }), "{ended}");
    assert!(ended.to_string().contains("the schema is refused"), "{ended}");
    assert_eq!((world.read("filtered"), world.locked().committed.len()), (Vec::new(), 0));
}

#[test]
fn a_second_instance_on_the_same_storage_follows_the_filter_too() {
    let world = world();
    let (first, second) = (start(&world), start(&world));
    set_filter(&world, &first, Some("lamp"));
    let reached = second.wait_lookup(&topic("stream-filter"), FILTER_KEY.as_bytes(), Some(b"lamp"), WAIT);
    reached.unwrap();
    first.stop().unwrap();
    second.stop().unwrap();
}
