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
    /// When the token ends, in ms, if it does.
    pub expires_at: Option<i64>,
    /// Says whether a refresh token waits for the device to show that it has the successor.
    pub refreshes: bool,
}

/// Whose refresh token this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshOwner {
    /// The user.
    pub user_id: UserId,
    /// The device.
    pub device_id: DeviceId,
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

/// Returns deactivated accounts that are still in rooms, or about to be.
pub fn deactivated_in_rooms(tx: &ReadTx<'_>) -> Result<Vec<UserId>, StoreError> {
    tx.query_all(
        "SELECT DISTINCT account.user_id
           FROM accounts AS account
           JOIN standings AS standing ON standing.user_id = account.user_id
          WHERE account.deactivated_at IS NOT NULL AND standing.membership IN ('join', 'invite', 'knock')
          ORDER BY account.user_id",
        &[],
        |row| row.get(0),
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
    expires_at: Option<i64>,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO access_tokens (token_hash, user_id, device_id, created_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (user_id, device_id)
         DO UPDATE SET token_hash = excluded.token_hash, created_at = excluded.created_at,
                       expires_at = excluded.expires_at",
        &[&token_hash, user, device, &now, &expires_at],
    )?;
    Ok(())
}

/// Returns whose token has this hash.
pub fn token_owner(tx: &ReadTx<'_>, token_hash: &[u8]) -> Result<Option<TokenOwner>, StoreError> {
    tx.query_optional(
        "SELECT token.user_id, token.device_id, account.is_admin, device.last_seen_at, token.expires_at,
                EXISTS (SELECT 1 FROM refresh_tokens AS refresh
                         WHERE refresh.user_id = token.user_id AND refresh.device_id = token.device_id
                           AND refresh.next_hash IS NOT NULL)
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
                expires_at: row.get(4)?,
                refreshes: row.get(5)?,
            })
        },
    )
}

/// Gives the device this refresh token, and takes away those it had; `None` gives none.
pub fn set_refresh_token(
    tx: &mut WriteTx<'_>,
    user: &UserId,
    device: &DeviceId,
    token_hash: Option<&[u8]>,
) -> Result<(), StoreError> {
    tx.execute("DELETE FROM refresh_tokens WHERE user_id = ?1 AND device_id = ?2", &[user, device])?;
    if let Some(token_hash) = token_hash {
        tx.execute(
            "INSERT INTO refresh_tokens (user_id, device_id, token_hash) VALUES (?1, ?2, ?3)",
            &[user, device, &token_hash],
        )?;
    }
    Ok(())
}

/// Uses the refresh token with this hash: it gets a successor, in place of one that was never used. Returns whose it is, or
/// `None` if there is no such token.
pub fn refresh(tx: &mut WriteTx<'_>, token_hash: &[u8], next_hash: &[u8]) -> Result<Option<RefreshOwner>, StoreError> {
    // Whoever shows the successor has it: the one before it goes.
    tx.execute(
        "UPDATE refresh_tokens SET token_hash = next_hash, next_hash = NULL WHERE next_hash = ?1",
        &[&token_hash],
    )?;
    tx.query_optional(
        "UPDATE refresh_tokens SET next_hash = ?2 WHERE token_hash = ?1 RETURNING user_id, device_id",
        &[&token_hash, &next_hash],
        |row| Ok(RefreshOwner { user_id: row.get(0)?, device_id: row.get(1)? }),
    )
}

/// The device has shown the access token that came with the successor of its refresh token: the one before it goes.
pub fn confirm_refresh(tx: &mut WriteTx<'_>, user: &UserId, device: &DeviceId) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE refresh_tokens SET token_hash = next_hash, next_hash = NULL
          WHERE user_id = ?1 AND device_id = ?2 AND next_hash IS NOT NULL",
        &[user, device],
    )?;
    Ok(())
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
