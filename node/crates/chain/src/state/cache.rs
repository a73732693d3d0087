//! A bounded map of what was read: two generations, the older of which is dropped whole.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

/// Rows of the database in memory, at most twice `generation` of them. What is asked for again moves to
/// the young generation; when that is full, it becomes the old one, and the old one is forgotten. That
/// is close to least recently used, at the price of two look-ups and no list.
pub(super) struct Cache<K, V> {
    generation: usize,
    inner: Mutex<Generations<K, V>>,
}

struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq + Copy, V: Clone> Cache<K, V> {
    pub(super) fn new(generation: usize) -> Self {
        let inner = Generations { young: HashMap::new(), old: HashMap::new() };
        Self { generation, inner: Mutex::new(inner) }
    }

    /// The value of `key`, from `read` where it is not in memory. `read` runs without the lock.
    pub(super) fn get<E>(&self, key: K, read: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        {
            let mut inner = self.lock();
            if let Some(value) = inner.young.get(&key) {
                return Ok(value.clone());
            }
            if let Some(value) = inner.old.remove(&key) {
                inner.add(self.generation, key, value.clone());
                return Ok(value);
            }
        }
        let value = read()?;
        self.lock().add(self.generation, key, value.clone());
        Ok(value)
    }

    /// Says what `key` is from now on.
    pub(super) fn put(&self, key: K, value: V) {
        let mut inner = self.lock();
        inner.old.remove(&key);
        inner.add(self.generation, key, value);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations<K, V>> {
        // A panic between two of its steps leaves entries that are true, or none.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq, V> Generations<K, V> {
    fn add(&mut self, generation: usize, key: K, value: V) {
        if self.young.len() >= generation {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_used_and_never_more_than_two_generations() {
        let cache = Cache::new(4);
        let never = |_: u32| -> Result<u32, ()> { panic!("it was in memory") };
        assert_eq!(cache.get(0, || Ok::<_, ()>(10)), Ok(10));
        for key in 1..100_u32 {
            assert_eq!(cache.get(key, || Err(key)), Err(key), "errors are not kept");
            cache.put(key, key + 10);
            assert_eq!(cache.get(0, || never(0)), Ok(10), "used at each step");
            let inner = cache.lock();
            assert!(inner.young.len() + inner.old.len() <= 8);
        }
        cache.put(0, 7);
        assert_eq!(cache.get(0, || never(0)), Ok(7));
        assert_eq!(cache.get(1, || Ok::<_, ()>(3)), Ok(3), "forgotten, so read again");
    }
}
