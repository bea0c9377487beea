//! The processor: what is not in the books yet goes there.

use kcl::{
    BoxError, Checkpointer, ClientRecord, FencingToken, Initialization, LeaseKey, Position, RecordBatch,
    RecordProcessor,
};

use super::books::{Books, MOST_EFFECTS};

/// Posts the records of one shard.
#[derive(Debug)]
pub struct Poster {
    books: Books,
    lease_key: LeaseKey,
    tenure: Option<Tenure>,
}

/// One tenure of the shard, as the books know it.
#[derive(Debug)]
struct Tenure {
    token: FencingToken,
    /// `None`: the books have to be asked.
    posted: Option<Posted>,
}

/// How far the books are; `None` inside: they know no record of the shard.
type Posted = Option<Position>;

impl Poster {
    /// A processor for the shard of this lease.
    #[must_use]
    pub fn new(books: Books, lease_key: &LeaseKey) -> Self {
        Self {
            books,
            lease_key: lease_key.clone(),
            tenure: None,
        }
    }
}

impl RecordProcessor for Poster {
    async fn initialize(&mut self, input: Initialization<'_>) -> Result<(), BoxError> {
        let token = input.fencing_token();
        let posted = self.books.claim(&self.lease_key, token).await?;
        if let Some(position) = posted.clone() {
            input.start_after(position);
        }
        self.tenure = Some(Tenure {
            token,
            posted: Some(posted),
        });
        Ok(())
    }

    async fn process_records(&mut self, batch: RecordBatch, _: &Checkpointer) -> Result<(), BoxError> {
        let tenure = self.tenure.as_mut().ok_or("initialize comes first")?;
        // After a transaction of which nobody knows whether it happened, the books say.
        let mut posted = match tenure.posted.take() {
            Some(posted) => posted,
            None => self.books.claim(&self.lease_key, tenure.token).await?,
        };
        let records: Vec<&ClientRecord> = batch
            .records()
            .iter()
            .filter(|record| posted.as_ref().is_none_or(|posted| record.position() > posted))
            .collect();
        for some in records.chunks(MOST_EFFECTS) {
            posted = self
                .books
                .post(&self.lease_key, tenure.token, posted.as_ref(), some)
                .await?;
        }
        tenure.posted = Some(posted);
        Ok(())
    }
}
