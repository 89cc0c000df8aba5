//! Accounts and access tokens.

use events::UserId;

use super::devices::DeviceId;
use crate::tx::{ReadTx, StoreError, WriteTx};
use crate::value::Row;

/// An account of this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose it is.
    pub user_id: UserId,
    /// The password in PHC format. `None`: nobody can log in by password.
    pub password_hash: Option<String>,
    /// Says whether this is an administrator of the server.
    pub is_admin: bool,
    /// When it was made, in ms.
    pub created_at: i64,
    /// When it was deactivated, in ms, if it was.
    pub deactivated_at: Option<i64>,
}

/// Whom an access token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOwner {
    /// The user.
    pub user_id: UserId,
    /// The device.
    pub device_id: DeviceId,
    /// Says whether the user is an administrator of the server.
    pub is_admin: bool,
    /// When the device was last noted as active, in ms.
    pub last_seen_at: i64,
}

/// Whether the user id was free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insertion {
    /// It was, and is ours now.
    Inserted,
    /// Somebody has it.
    Taken,
}

/// Stores a new account.
pub fn insert(tx: &mut WriteTx<'_>, account: &Account) -> Result<Insertion, StoreError> {
    let inserted = tx.execute(
        "INSERT INTO accounts (user_id, password_hash, is_admin, created_at, deactivated_at)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (user_id) DO NOTHING",
        &[&account.user_id, &account.password_hash, &account.is_admin, &account.created_at, &account.deactivated_at],
    )?;
    Ok(if inserted == 1 { Insertion::Inserted } else { Insertion::Taken })
}

/// Returns the account of `user`, deactivated or not.
pub fn get(tx: &ReadTx<'_>, user: &UserId) -> Result<Option<Account>, StoreError> {
    tx.query_optional(
        "SELECT user_id, password_hash, is_admin, created_at, deactivated_at FROM accounts WHERE user_id = ?1",
        &[user],
        read_account,
    )
}

/// Returns the accounts whose user id follows `after`, in their order, at most `limit`.
pub fn page(tx: &ReadTx<'_>, after: &str, limit: i64) -> Result<Vec<Account>, StoreError> {
    tx.query_all(
        "SELECT user_id, password_hash, is_admin, created_at, deactivated_at
           FROM accounts
          WHERE user_id > ?1
          ORDER BY user_id
          LIMIT ?2",
        &[&after, &limit],
        read_account,
    )
}

/// Changes the password.
pub fn set_password(tx: &mut WriteTx<'_>, user: &UserId, password_hash: &str) -> Result<(), StoreError> {
    tx.execute("UPDATE accounts SET password_hash = ?2 WHERE user_id = ?1", &[user, &password_hash])?;
    Ok(())
}

/// Makes the account unusable for good. Its user id stays taken.
pub fn deactivate(tx: &mut WriteTx<'_>, user: &UserId, now: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE accounts SET password_hash = NULL, deactivated_at = ?2 WHERE user_id = ?1", &[user, &now])?;
    Ok(())
}

/// Gives the device this token instead of the one it had.
pub fn set_token(
    tx: &mut WriteTx<'_>,
    token_hash: &[u8],
    user: &UserId,
    device: &DeviceId,
    now: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO access_tokens (token_hash, user_id, device_id, created_at)
         VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (user_id, device_id)
         DO UPDATE SET token_hash = excluded.token_hash, created_at = excluded.created_at",
        &[&token_hash, user, device, &now],
    )?;
    Ok(())
}

/// Returns whose token has this hash.
pub fn token_owner(tx: &ReadTx<'_>, token_hash: &[u8]) -> Result<Option<TokenOwner>, StoreError> {
    tx.query_optional(
        "SELECT token.user_id, token.device_id, account.is_admin, device.last_seen_at
           FROM access_tokens AS token
           JOIN accounts AS account ON account.user_id = token.user_id
           JOIN devices AS device ON device.user_id = token.user_id AND device.device_id = token.device_id
          WHERE token.token_hash = ?1",
        &[&token_hash],
        |row| {
            Ok(TokenOwner {
                user_id: row.get(0)?,
                device_id: row.get(1)?,
                is_admin: row.get(2)?,
                last_seen_at: row.get(3)?,
            })
        },
    )
}

fn read_account(row: &Row<'_>) -> Result<Account, StoreError> {
    Ok(Account {
        user_id: row.get(0)?,
        password_hash: row.get(1)?,
        is_admin: row.get(2)?,
        created_at: row.get(3)?,
        deactivated_at: row.get(4)?,
    })
}
