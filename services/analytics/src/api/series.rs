//! Figures bucket by bucket, in the same shape for every sort of figure.

use contracts::Timestamp;
use poem_openapi::{
    Object,
    types::{ParseFromJSON, ToJSON, Type},
};
use serde::{Deserialize, Serialize};

use super::rendered::Table;
use crate::domain::{
    calendar::{Range, Span},
    flow::Window,
};

/// Figures bucket by bucket.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
pub struct Series<P: Send + Sync + Type + ParseFromJSON + ToJSON> {
    /// First moment of the first bucket.
    pub from: String,
    /// First moment after the last bucket.
    pub to: String,
    /// `day` or `week`.
    pub bucket: String,
    /// The time zone that days and weeks are of.
    pub tz: String,
    /// The buckets that have begun, in order.
    pub points: Vec<P>,
    /// All of them as one bucket.
    pub whole: P,
}

/// A figure in a bucket as it is on the wire.
pub trait Point {
    /// Names of the columns.
    fn columns(&self) -> Vec<String>;
    /// The cells.
    fn cells(&self) -> Vec<String>;
}

impl<P: Point + Send + Sync + Type + ParseFromJSON + ToJSON> Series<P> {
    /// Of `range`; `figures` makes the figures of some buckets, `point` what is on the wire of one.
    pub fn of<F>(
        range: &Range,
        now: Timestamp,
        figures: impl Fn(Window<'_>) -> Vec<F>,
        mut point: impl FnMut(&Span, F) -> P,
    ) -> Option<Self> {
        let of = |spans: &[Span]| figures(Window { spans, now });
        let whole = of(&[range.whole]).into_iter().next()?;
        Some(Self {
            from: range.whole.from.to_string(),
            to: range.whole.to.to_string(),
            bucket: range.bucket.name().to_owned(),
            tz: range.zone.clone(),
            points: range
                .spans
                .iter()
                .zip(of(&range.spans))
                .map(|(span, figure)| point(span, figure))
                .collect(),
            whole: point(&range.whole, whole),
        })
    }
}

impl<P: Point + Send + Sync + Type + ParseFromJSON + ToJSON> Table for Series<P> {
    fn columns(&self) -> Vec<String> {
        self.whole.columns()
    }

    fn rows(&self) -> Vec<Vec<String>> {
        self.points.iter().map(Point::cells).collect()
    }
}

/// `names`, after those that every point has.
pub(super) fn columns(names: &[&str]) -> Vec<String> {
    ["date", "from", "to"]
        .iter()
        .chain(names)
        .map(|name| (*name).to_owned())
        .collect()
}

/// A figure as a cell.
pub(super) trait Cell {
    /// Empty when there is none.
    fn cell(&self) -> String;
}

impl Cell for u64 {
    fn cell(&self) -> String {
        self.to_string()
    }
}

impl Cell for Option<u64> {
    fn cell(&self) -> String {
        self.map_or_else(String::new, |value| value.to_string())
    }
}

impl Cell for Option<String> {
    fn cell(&self) -> String {
        self.clone().unwrap_or_default()
    }
}

/// Declares a point: what is on the wire of one bucket, all of it numbers and times, in JSON and as a row.
macro_rules! point {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize, poem_openapi::Object)]
        pub struct $name {
            /// First day of the bucket.
            pub date: String,
            /// Its first moment.
            pub from: String,
            /// The first moment after it.
            pub to: String,
            $($(#[$field_doc])* pub $field: $kind,)*
        }

        impl $crate::api::series::Point for $name {
            fn columns(&self) -> Vec<String> {
                $crate::api::series::columns(&[$(stringify!($field)),*])
            }

            fn cells(&self) -> Vec<String> {
                vec![
                    self.date.clone(),
                    self.from.clone(),
                    self.to.clone(),
                    $($crate::api::series::Cell::cell(&self.$field),)*
                ]
            }
        }
    };
}
pub(super) use point;
