//! What tills ring up, and what it looks like on the stream. Pure.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// One sale at one till.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// The till, which is the partition key.
    pub till: u32,
    /// What was sold.
    pub product: &'static str,
    /// How many of it.
    pub quantity: u32,
    /// The price of all, in cents.
    pub cents: u32,
}

impl Sale {
    /// The sale as CSV: till, product, quantity, price.
    #[must_use]
    pub fn line(&self) -> String {
        let Self {
            till,
            product,
            quantity,
            cents,
        } = self;
        format!(
            "till-{till:03},{product},{quantity},{}.{:02}",
            cents / 100,
            cents % 100
        )
    }

    /// The till as partition key.
    #[must_use]
    pub fn key(&self) -> String {
        format!("till-{:03}", self.till)
    }
}

/// What an application sees in a line: who sold how many of what, if it is a sale.
#[must_use]
pub fn read(line: &str) -> Option<(&str, u32)> {
    let mut fields = line.split(',').skip(1);
    let product = fields
        .next()
        .filter(|product| PRODUCTS.iter().any(|(name, _)| name == product))?;
    let quantity = fields.next()?.parse().ok()?;
    Some((product, quantity))
}

/// Whether somebody should have a look: nobody buys that many.
#[must_use]
pub fn is_suspicious(quantity: u32) -> bool {
    quantity >= SUSPICIOUS_QUANTITY
}

/// Sales without end; the same seed, the same sales.
#[derive(Debug)]
pub struct Sales {
    random: StdRng,
}

impl Sales {
    /// The sales of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
        }
    }
}

impl Iterator for Sales {
    type Item = Sale;

    fn next(&mut self) -> Option<Sale> {
        let (product, price) = PRODUCTS[self.random.random_range(0..PRODUCTS.len())];
        // One in a thousand empties the shelf.
        let quantity = match self.random.random_ratio(1, 1000) {
            true => self.random.random_range(SUSPICIOUS_QUANTITY..200),
            false => self.random.random_range(1..=6),
        };
        Some(Sale {
            till: self.random.random_range(1..=TILLS),
            product,
            quantity,
            cents: price * quantity,
        })
    }
}

/// Names, and prices in cents.
const PRODUCTS: &[(&str, u32)] = &[
    ("bread", 340),
    ("butter", 279),
    ("cheese", 519),
    ("coffee", 799),
    ("eggs", 329),
    ("honey", 650),
    ("milk", 129),
    ("pears", 249),
    ("rice", 219),
    ("soap", 185),
    ("tea", 449),
    ("wine", 1190),
];

/// Partition keys of the shop.
const TILLS: u32 = 200;

/// A sale of so many is suspicious.
const SUSPICIOUS_QUANTITY: u32 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_is_a_line_that_applications_understand() {
        let sale = Sale {
            till: 7,
            product: "tea",
            quantity: 3,
            cents: 1347,
        };
        assert_eq!(sale.line(), "till-007,tea,3,13.47");
        assert_eq!(sale.key(), "till-007");
        assert_eq!(read(&sale.line()), Some(("tea", 3)));
        for other in [
            "",
            "till-007",
            "till-007,tea",
            "till-007,gold,3",
            "till-007,tea,many",
            "2013,1,1,517",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn sales_repeat_with_the_seed_and_some_are_suspicious() {
        let first: Vec<_> = Sales::new(7).take(20_000).collect();
        assert!(Sales::new(7).take(20_000).eq(first.iter().cloned()));
        assert!(!Sales::new(8).take(20).eq(first.iter().take(20).cloned()));
        let suspicious = first.iter().filter(|sale| is_suspicious(sale.quantity)).count();
        assert!((5..60).contains(&suspicious), "{suspicious} of 20,000");
    }
}
