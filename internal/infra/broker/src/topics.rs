//! The topics and their partitions.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::fetch_wait::Waiters;
use crate::storage::log::{Log, flush_names, write_whole};
use crate::topic_settings::TopicSettings;

/// One partition.
#[derive(Debug)]
pub(crate) struct Partition {
    log: Mutex<Log>,
    pub(crate) waiters: Waiters,
}

impl Partition {
    pub(crate) fn new(log: Log) -> Self {
        Self { log: Mutex::new(log), waiters: Waiters::default() }
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A topic and its partitions.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    dir: PathBuf,
    explicit: RwLock<BTreeMap<String, String>>,
    partitions: RwLock<Vec<Arc<Partition>>>,
}

/// What a topic's own file says.
#[derive(Debug, Deserialize, Serialize)]
struct TopicFile {
    name: String,
    partitions: usize,
    settings: BTreeMap<String, String>,
}

/// All topics, each in a folder that its id names.
#[derive(Debug)]
pub(crate) struct Topics {
    dir: PathBuf,
    flush: bool,
    all: RwLock<Known>,
}

/// The topics by their names and, as clients ask for each whenever they fetch, by their ids.
#[derive(Debug, Default)]
struct Known {
    by_name: BTreeMap<String, Arc<Topic>>,
    by_id: HashMap<Uuid, Arc<Topic>>,
}

impl Known {
    fn add(&mut self, topic: Arc<Topic>) {
        self.by_id.insert(topic.id, Arc::clone(&topic));
        self.by_name.insert(topic.name.clone(), topic);
    }

    fn remove(&mut self, name: &str) -> Option<Arc<Topic>> {
        let topic = self.by_name.remove(name)?;
        self.by_id.remove(&topic.id);
        Some(topic)
    }
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Topic {
    pub(crate) fn partition(&self, number: i32) -> Option<Arc<Partition>> {
        read(&self.partitions).get(usize::try_from(number).ok()?).cloned()
    }

    pub(crate) fn partitions(&self) -> Vec<Arc<Partition>> {
        read(&self.partitions).clone()
    }

    /// Numbers of its partitions.
    pub(crate) fn numbers(&self) -> std::ops::Range<i32> {
        0..i32::try_from(read(&self.partitions).len()).unwrap_or(i32::MAX)
    }

    /// Settings that somebody made.
    pub(crate) fn explicit(&self) -> BTreeMap<String, String> {
        read(&self.explicit).clone()
    }

    fn save(&self, partitions: usize, settings: BTreeMap<String, String>) -> io::Result<()> {
        let file = TopicFile { name: self.name.clone(), partitions, settings };
        write_whole(&topic_file(&self.dir), &serde_json::to_vec_pretty(&file)?)
    }

    /// Takes new settings, each of which was checked, in place of all explicit ones.
    pub(crate) fn set(&self, settings: BTreeMap<String, String>) -> io::Result<()> {
        let mut explicit = write(&self.explicit);
        let partitions = self.partitions();
        self.save(partitions.len(), settings.clone())?;
        let meaning = Arc::new(TopicSettings::of(&settings));
        for partition in partitions {
            partition.log().set_settings(Arc::clone(&meaning));
        }
        *explicit = settings;
        Ok(())
    }

    fn grow(&self, count: usize, flush: bool) -> io::Result<()> {
        let explicit = read(&self.explicit);
        let mut partitions = write(&self.partitions);
        let settings = Arc::new(TopicSettings::of(&explicit));
        let mut grown = partitions.clone();
        for number in partitions.len()..count {
            let log = Log::open(&self.dir.join(number.to_string()), Arc::clone(&settings), flush)?;
            grown.push(Arc::new(Partition::new(log)));
        }
        self.save(grown.len(), explicit.clone())?;
        *partitions = grown;
        Ok(())
    }
}

fn topic_file(dir: &Path) -> PathBuf {
    dir.join("topic.json")
}

impl Topics {
    /// Opens all that are there, and removes what was left of those that were being removed.
    pub(crate) fn open(dir: &Path, flush: bool) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut all = Known::default();
        for entry in fs::read_dir(dir)? {
            let dir = entry?.path();
            let id = dir.file_name().and_then(|name| Uuid::parse_str(name.to_str()?).ok());
            let Some(id) = id else { continue };
            let Ok(bytes) = fs::read(topic_file(&dir)) else {
                fs::remove_dir_all(&dir)?;
                continue;
            };
            all.add(Arc::new(open_topic(dir, id, serde_json::from_slice(&bytes)?, flush)?));
        }
        Ok(Self { dir: dir.to_path_buf(), flush, all: RwLock::new(all) })
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<Topic>> {
        read(&self.all).by_name.get(name).cloned()
    }

    pub(crate) fn find_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        read(&self.all).by_id.get(&id).cloned()
    }

    pub(crate) fn partition(&self, topic: &str, number: i32) -> Option<Arc<Partition>> {
        self.find(topic)?.partition(number)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        read(&self.all).by_name.values().cloned().collect()
    }

    /// Partitions of all topics.
    pub(crate) fn partition_count(&self) -> usize {
        read(&self.all).by_name.values().map(|topic| read(&topic.partitions).len()).sum()
    }

    /// Makes a topic; `None` when there is one of this name.
    pub(crate) fn create(
        &self,
        name: &str,
        partitions: usize,
        settings: BTreeMap<String, String>,
    ) -> io::Result<Option<Arc<Topic>>> {
        let mut all = write(&self.all);
        if all.by_name.contains_key(name) {
            return Ok(None);
        }
        let id = Uuid::new_v4();
        let file = TopicFile { name: name.to_owned(), partitions, settings };
        let topic = Arc::new(open_topic(self.dir.join(id.to_string()), id, file, self.flush)?);
        all.add(Arc::clone(&topic));
        Ok(Some(topic))
    }

    /// Gives a topic more partitions.
    pub(crate) fn grow(&self, topic: &Topic, count: usize) -> io::Result<()> {
        topic.grow(count, self.flush)
    }

    /// Removes a topic; its readers are woken to see that it is gone.
    pub(crate) fn remove(&self, name: &str) -> io::Result<Option<Arc<Topic>>> {
        let Some(topic) = write(&self.all).remove(name) else { return Ok(None) };
        // Without this file the rest is not found again.
        fs::remove_file(topic_file(&topic.dir))?;
        fs::remove_dir_all(&topic.dir)?;
        topic.partitions().iter().for_each(|partition| partition.waiters.ring());
        Ok(Some(topic))
    }
}

fn open_topic(dir: PathBuf, id: Uuid, file: TopicFile, flush: bool) -> io::Result<Topic> {
    fs::create_dir_all(&dir)?;
    dir.parent().map_or(Ok(()), flush_names)?;
    let (explicit, partitions) = (RwLock::new(file.settings), RwLock::new(Vec::new()));
    let topic = Topic { name: file.name, id, dir, explicit, partitions };
    topic.grow(file.partitions, flush)?;
    Ok(topic)
}
