//! How records are fetched, in virtual time against a Kinesis and a DynamoDB inside this process: by enhanced fan-out, by
//! polling, from one to the other and back; what stands still, hangs or is denied is found and named.

mod fan_out;
mod slow;
mod stage;
mod trouble;
