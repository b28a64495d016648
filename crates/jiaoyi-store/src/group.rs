//! Bucket groups: which buckets lie together, and are written by one lane without a commit over
//! several machines.

use jiaoyi_domain::Bucket;
use std::collections::BTreeMap;

/// How many buckets there are.
const BUCKETS: u16 = 4096;
/// Words of a set of buckets.
const WORDS: usize = 64;

/// Buckets that lie together: on distributed PostgreSQL those of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group([u64; WORDS]);

/// Every bucket.
pub const ALL_BUCKETS: Group = Group([u64::MAX; WORDS]);

impl Group {
    /// Whether the bucket lies in it.
    #[must_use]
    pub fn contains(&self, bucket: u16) -> bool {
        let word = self.0.get(usize::from(bucket / 64)).copied();
        word.unwrap_or(0) & (1 << (bucket % 64)) != 0
    }

    /// The lowest of its buckets, where rows of its own lane lie; 0 of an empty one.
    #[must_use]
    pub fn home(&self) -> Bucket {
        let lowest = (0..BUCKETS).find(|bucket| self.contains(*bucket));
        lowest.and_then(Bucket::try_new).unwrap_or_default()
    }
}

impl FromIterator<u16> for Group {
    fn from_iter<I: IntoIterator<Item = u16>>(buckets: I) -> Group {
        let mut words = [0; WORDS];
        for bucket in buckets {
            if let Some(word) = words.get_mut(usize::from(bucket / 64)) {
                *word |= 1 << (bucket % 64);
            }
        }
        Group(words)
    }
}

/// All groups of a database: every bucket lies in exactly one.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    list: Vec<Group>,
    place_of: Vec<usize>,
}

impl Groups {
    /// So many equal ranges.
    pub(crate) fn ranges(count: u16) -> Groups {
        let width = BUCKETS / count.max(1);
        let last = count.saturating_sub(1);
        Groups::of((0..BUCKETS).map(|bucket| (bucket / width).min(last)))
    }

    /// From the name of the shard of each bucket, in the buckets' order.
    pub(crate) fn of<N: Ord>(shards: impl Iterator<Item = N>) -> Groups {
        let shards: Vec<N> = shards.collect();
        let mut buckets: BTreeMap<&N, Vec<u16>> = BTreeMap::new();
        for (bucket, shard) in (0..BUCKETS).zip(&shards) {
            buckets.entry(shard).or_default().push(bucket);
        }
        let mut place_of = vec![0; usize::from(BUCKETS)];
        let mut list = Vec::with_capacity(buckets.len());
        for (place, buckets) in buckets.into_values().enumerate() {
            for bucket in &buckets {
                place_of[usize::from(*bucket)] = place;
            }
            list.push(buckets.into_iter().collect());
        }
        Groups { list, place_of }
    }

    pub(crate) fn list(&self) -> &[Group] {
        &self.list
    }

    /// The place of a bucket's group in the list.
    pub(crate) fn place(&self, bucket: u16) -> usize {
        let place = self.place_of.get(usize::from(bucket));
        place.copied().unwrap_or(0)
    }

    /// The one group in which all of these lie; `None` when there is none, or no bucket.
    pub(crate) fn common(&self, buckets: &[u16]) -> Option<usize> {
        let mut places = buckets.iter().map(|bucket| self.place(*bucket));
        let first = places.next()?;
        places.all(|place| place == first).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_is_in_one_group() {
        for (groups, count) in [
            (Groups::ranges(1), 1),
            (Groups::ranges(4), 4),
            (Groups::ranges(3), 3),
            // As a hash scatters them over shards.
            (Groups::of((0..BUCKETS).map(|bucket| (bucket * 7) % 32)), 32),
        ] {
            assert_eq!(groups.list().len(), count);
            for bucket in 0..BUCKETS {
                let holders = groups.list().iter().filter(|group| group.contains(bucket));
                assert_eq!(holders.count(), 1, "{bucket}");
                assert!(groups.list()[groups.place(bucket)].contains(bucket));
            }
            for group in groups.list() {
                assert!(group.contains(group.home().get()));
            }
        }
    }

    #[test]
    fn only_buckets_of_one_group_have_a_common_one() {
        let groups = Groups::of((0..BUCKETS).map(|bucket| bucket % 2));
        assert_eq!(groups.common(&[]), None);
        assert_eq!(groups.common(&[1, 3, 4095]), Some(1));
        assert_eq!(groups.common(&[1, 2]), None);
    }
}
