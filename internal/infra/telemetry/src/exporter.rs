use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use millstream_ports::{Buckets, Meter, Sample, SampleKind};
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, Registry, TextEncoder};

/// Bytes in a page, as Linux counts resident memory on the machines we run on.
const PAGE_BYTES: f64 = 4096.0;

/// Clock ticks a second, as Linux reports processor time to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// Tells the figures of meters in Prometheus' text format, and the process's own beside them.
#[derive(Clone)]
pub struct Exporter {
    registry: Registry,
}

impl Exporter {
    /// An exporter of `meters`.
    pub fn new(meters: Vec<Arc<dyn Meter>>) -> Self {
        let registry = Registry::new();
        let process = Arc::new(Process::begun_now());
        let all = Meters(meters.into_iter().chain([process as Arc<dyn Meter>]).collect());
        // It fails only for a second collector of the same figures, and there is one.
        let _ = registry.register(Box::new(all));
        Self { registry }
    }

    /// All figures as of now.
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::warn!(%error, "could not write the metrics");
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

struct Meters(Vec<Arc<dyn Meter>>);

impl Collector for Meters {
    /// The figures come and go with partitions, so none is announced.
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut samples = Vec::new();
        self.0.iter().for_each(|meter| meter.samples(&mut samples));
        let mut families = BTreeMap::new();
        for sample in samples {
            let family = families.entry(sample.name).or_insert_with(|| family(&sample));
            family.mut_metric().push(metric(sample));
        }
        families.into_values().collect()
    }
}

fn family(sample: &Sample) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(sample.name.to_owned());
    family.set_help(sample.help.to_owned());
    family.set_field_type(match sample.kind {
        SampleKind::Counter => MetricType::COUNTER,
        SampleKind::Gauge => MetricType::GAUGE,
        SampleKind::Histogram(_) => MetricType::HISTOGRAM,
    });
    family
}

fn metric(sample: Sample) -> Metric {
    let pair = |(name, value): (&'static str, String)| {
        let mut label = LabelPair::default();
        label.set_name(name.to_owned());
        label.set_value(value);
        label
    };
    let mut metric = Metric::from_label(sample.labels.into_iter().map(pair).collect());
    match sample.kind {
        SampleKind::Counter => {
            let mut counter = Counter::default();
            counter.set_value(sample.value);
            metric.set_counter(counter);
        }
        SampleKind::Gauge => {
            let mut gauge = Gauge::default();
            gauge.set_value(sample.value);
            metric.set_gauge(gauge);
        }
        SampleKind::Histogram(buckets) => metric.set_histogram(histogram(&buckets, sample.value)),
    }
    metric
}

fn histogram(buckets: &Buckets, sum: f64) -> Histogram {
    let bucket = |(end, count): &(f64, u64)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*end);
        bucket.set_cumulative_count(*count);
        bucket
    };
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.ends.iter().map(bucket).collect());
    histogram.set_sample_count(buckets.count);
    histogram.set_sample_sum(sum);
    histogram
}

/// The process's own figures, where the system tells them under `/proc`.
struct Process {
    start_seconds: f64,
}

impl Process {
    fn begun_now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start_seconds: since.as_secs_f64() }
    }
}

impl Meter for Process {
    fn samples(&self, out: &mut Vec<Sample>) {
        let mut add =
            |name, help, kind, value| out.push(Sample { name, help, kind, labels: Vec::new(), value });
        let start = "When the process began, in seconds since 1970.";
        add("process_start_time_seconds", start, SampleKind::Gauge, self.start_seconds);
        if let Some(seconds) = cpu_seconds() {
            add(
                "process_cpu_seconds_total",
                "Processor time used, in seconds.",
                SampleKind::Counter,
                seconds,
            );
        }
        if let Some(bytes) = resident_bytes() {
            add("process_resident_memory_bytes", "Resident memory, in bytes.", SampleKind::Gauge, bytes);
        }
        if let Some(count) = entries("/proc/self/fd") {
            add("process_open_fds", "Open files and connections.", SampleKind::Gauge, count);
        }
        if let Some(count) = open_files_max() {
            add("process_max_fds", "Open files and connections allowed.", SampleKind::Gauge, count);
        }
        if let Some(count) = entries("/proc/self/task") {
            add("process_threads", "Threads.", SampleKind::Gauge, count);
        }
    }
}

/// Fields 14 and 15 of `/proc/self/stat`, counted behind the program's name, which may hold spaces (proc(5)).
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / TICKS_PER_SECOND)
}

fn resident_bytes() -> Option<f64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split_whitespace().nth(1)?.parse::<f64>().ok()? * PAGE_BYTES)
}

/// How many entries a folder has.
fn entries(folder: &str) -> Option<f64> {
    u32::try_from(fs::read_dir(folder).ok()?.count()).ok().map(f64::from)
}

/// The soft limit, the first number of its line (proc(5), "limits").
fn open_files_max() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Two;

    impl Meter for Two {
        fn samples(&self, out: &mut Vec<Sample>) {
            for (topic, value) in [("a", 1.0), ("b\"\n", 2.5)] {
                let labels = vec![("topic", topic.to_owned())];
                out.push(Sample {
                    name: "millstream_records_in_total",
                    help: "Records.",
                    kind: SampleKind::Counter,
                    labels,
                    value,
                });
            }
        }
    }

    #[test]
    fn figures_are_told_in_prometheus_text() {
        let text = Exporter::new(vec![Arc::new(Two)]).render();
        for line in [
            "# HELP millstream_records_in_total Records.",
            "# TYPE millstream_records_in_total counter",
            "millstream_records_in_total{topic=\"a\"} 1",
            "millstream_records_in_total{topic=\"b\\\"\\n\"} 2.5",
            "# TYPE process_resident_memory_bytes gauge",
            "# TYPE process_open_fds gauge",
            "# TYPE process_max_fds gauge",
            "# TYPE process_threads gauge",
        ] {
            assert!(text.lines().any(|have| have == line), "no line {line:?} in\n{text}");
        }
    }

    struct Took;

    impl Meter for Took {
        fn samples(&self, out: &mut Vec<Sample>) {
            let kind = SampleKind::Histogram(Buckets { ends: vec![(0.5, 2), (1.0, 3)], count: 4 });
            let (name, help) = ("millstream_commit_seconds", "Time.");
            out.push(Sample { name, help, kind, labels: vec![("group", "g".to_owned())], value: 7.25 });
        }
    }

    #[test]
    fn a_histogram_is_told_with_its_buckets_its_sum_and_its_count() {
        let text = Exporter::new(vec![Arc::new(Took)]).render();
        for line in [
            "# TYPE millstream_commit_seconds histogram",
            "millstream_commit_seconds_bucket{group=\"g\",le=\"0.5\"} 2",
            "millstream_commit_seconds_bucket{group=\"g\",le=\"1\"} 3",
            "millstream_commit_seconds_bucket{group=\"g\",le=\"+Inf\"} 4",
            "millstream_commit_seconds_sum{group=\"g\"} 7.25",
            "millstream_commit_seconds_count{group=\"g\"} 4",
        ] {
            assert!(text.lines().any(|have| have == line), "no line {line:?} in\n{text}");
        }
    }

    #[test]
    fn two_meters_of_one_name_make_one_family() {
        let text = Exporter::new(vec![Arc::new(Two), Arc::new(Two)]).render();
        assert_eq!(text.matches("# TYPE millstream_records_in_total").count(), 1);
    }
}
