//! StartStreamEncryption and StopStreamEncryption: the state, without any cryptography.

use super::Engine;
use super::api::{EncryptionRequest, EncryptionType};
use super::constraint::Constraints;
use super::error::ServiceError;
use super::lifecycle;
use super::operation::Operation;

impl Engine {
    pub(crate) fn start_stream_encryption(
        &mut self,
        request: EncryptionRequest,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        let now_ms = self.begin(Operation::StartStreamEncryption, now_ms)?;
        self.encrypt(&request, true, now_ms)
    }

    pub(crate) fn stop_stream_encryption(
        &mut self,
        request: EncryptionRequest,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        let now_ms = self.begin(Operation::StopStreamEncryption, now_ms)?;
        self.encrypt(&request, false, now_ms)
    }

    fn encrypt(&mut self, request: &EncryptionRequest, on: bool, now_ms: u64) -> Result<(), ServiceError> {
        let mut constraints = Constraints::new();
        let encryption = constraints.required("encryptionType", request.encryption_type.as_deref());
        if let Some(encryption) = encryption {
            constraints.one_of("encryptionType", encryption, EncryptionType::ALL);
        }
        let key = constraints.required("keyId", request.key_id.as_deref());
        if let Some(key) = key {
            constraints.length("keyId", key, 1, 2_048);
        }
        constraints.finish()?;
        if encryption != Some(EncryptionType::Kms.as_str()) {
            return Err(ServiceError::invalid_argument("EncryptionType must be KMS."));
        }
        let account = self.owner.account().to_owned();
        let stream = self.stream_mut(&request.stream, now_ms)?;
        lifecycle::require_active(stream, &account)?;
        (stream.encryption, stream.key_id) = if on {
            (EncryptionType::Kms, key.map(str::to_owned))
        } else {
            (EncryptionType::None, None)
        };
        let name = stream.name.to_string();
        self.updating(&name, now_ms);
        Ok(())
    }
}
