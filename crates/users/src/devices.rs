//! Devices. C-S API, "Device management".

use events::UserId;
use persistence::StoreError;
use persistence::transactions::devices::{self, Device, DeviceId};

use crate::Users;

/// Characters of a device's display name, as in Synapse.
pub const DISPLAY_NAME_CHARS_MAX: usize = 100;

/// Why a device was not renamed.
#[derive(Debug, thiserror::Error)]
pub enum RenameError {
    /// There is no such device.
    #[error("{0} has no device {1}")]
    Unknown(UserId, DeviceId),
    /// The name is too long.
    #[error("a device's display name has at most {DISPLAY_NAME_CHARS_MAX} characters")]
    TooLong,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Users {
    /// Returns the devices of a user, by their ids.
    pub async fn devices(&self, user: &UserId) -> Result<Vec<Device>, StoreError> {
        let user = user.clone();
        self.0.database.read(move |tx| devices::all_of(tx, &user)).await
    }

    /// Returns a device.
    pub async fn device(&self, user: &UserId, device: &DeviceId) -> Result<Option<Device>, StoreError> {
        let (user, device) = (user.clone(), device.clone());
        self.0.database.read(move |tx| devices::get(tx, &user, &device)).await
    }

    /// Renames a device.
    pub async fn rename_device(
        &self,
        user: &UserId,
        device: &DeviceId,
        display_name: String,
    ) -> Result<(), RenameError> {
        if !check_display_name(Some(&display_name)) {
            return Err(RenameError::TooLong);
        }
        let (renamed, device, users) = (user.clone(), device.clone(), self.clone());
        self.0
            .database
            .write(move |tx| match devices::set_display_name(tx, &renamed, &device, &display_name)? {
                0 => Err(RenameError::Unknown(renamed, device)),
                // The name is part of what `/keys/query` says.
                _ => Ok(users.note_device_changes(tx, &renamed, &[device])?),
            })
            .await
    }

    /// Deletes devices with their tokens, keys and inboxes; those that are not there are skipped. Returns how many it were.
    pub async fn delete_devices(&self, user: &UserId, unwanted: Vec<DeviceId>) -> Result<usize, StoreError> {
        self.delete_devices_that(user, move |device| unwanted.contains(device)).await
    }

    /// Deletes all devices of a user but `keep`.
    pub async fn delete_devices_but(&self, user: &UserId, keep: Option<&DeviceId>) -> Result<usize, StoreError> {
        let keep = keep.cloned();
        self.delete_devices_that(user, move |device| Some(device) != keep.as_ref()).await
    }

    async fn delete_devices_that(
        &self,
        user: &UserId,
        is_unwanted: impl Fn(&DeviceId) -> bool + Send + 'static,
    ) -> Result<usize, StoreError> {
        let (owner, users) = (user.clone(), self.clone());
        self.0
            .database
            .write(move |tx| -> Result<usize, StoreError> {
                let all = devices::all_of(tx, &owner)?.into_iter().map(|device| device.device_id);
                let unwanted: Vec<DeviceId> = all.filter(is_unwanted).collect();
                for device in &unwanted {
                    devices::delete(tx, &owner, device)?;
                }
                users.note_device_changes(tx, &owner, &unwanted)?;
                Ok(unwanted.len())
            })
            .await
    }
}

/// Says whether a display name is short enough.
pub(crate) fn check_display_name(display_name: Option<&str>) -> bool {
    display_name.is_none_or(|name| name.chars().count() <= DISPLAY_NAME_CHARS_MAX)
}
