//! The state machine from three tables to one, `TableMigration3.5`.

use super::error::FleetError;
use super::rows::Home;
use super::state::StateRow;
use crate::lease::TABLE_MIGRATION_KEY;

/// How far a fleet has come from three tables to one (KCL: `TableMigrationStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableMigration {
    /// Three tables; some worker may not understand more.
    Init,
    /// Three tables; every worker understands both.
    Deployed,
    /// New rows go into the lease table, old ones are still read.
    Pending,
    /// One table.
    Complete,
}

impl TableMigration {
    /// The stored text.
    #[must_use]
    pub fn stored(self) -> &'static str {
        match self {
            Self::Init => "TABLE_MIGRATION_STATUS_INIT",
            Self::Deployed => "TABLE_MIGRATION_STATUS_DEPLOYED",
            Self::Pending => "TABLE_MIGRATION_STATUS_PENDING",
            Self::Complete => "TABLE_MIGRATION_STATUS_COMPLETE",
        }
    }

    /// What a row says.
    ///
    /// # Errors
    /// [`FleetError::UnknownState`] for a value that this version does not know.
    pub fn of_row(row: &StateRow) -> Result<Self, FleetError> {
        let known = [Self::Init, Self::Deployed, Self::Pending, Self::Complete];
        let found = known.into_iter().find(|state| state.stored() == row.value);
        found.ok_or_else(|| FleetError::UnknownState {
            row: TABLE_MIGRATION_KEY,
            value: row.value.clone(),
        })
    }

    /// The state that counts for a worker, where the separate tables are there: by what is stored, and whether it is told
    /// to move everything (KCL: `migrateAllEntitiesToLeaseTable`).
    ///
    /// # Errors
    /// [`FleetError::MigrationNotDeployed`] when it is told to and the fleet is not ready.
    ///
    /// Source: KCL 3.5, `TableMigrationState`.
    pub fn effective(stored: Option<Self>, migrate_all: bool) -> Result<Self, FleetError> {
        match (stored, migrate_all) {
            (None | Some(Self::Init), false) => Ok(Self::Init),
            (None | Some(Self::Init), true) => Err(FleetError::MigrationNotDeployed),
            (Some(Self::Deployed | Self::Pending), false) => Ok(Self::Deployed),
            (Some(Self::Deployed | Self::Pending), true) => Ok(Self::Pending),
            (Some(Self::Complete), _) => Ok(Self::Complete),
        }
    }

    /// Where metrics and the fleet's state are written.
    #[must_use]
    pub fn home(self) -> Home {
        match self {
            Self::Init | Self::Deployed => Home::SeparateTables,
            Self::Pending | Self::Complete => Home::LeaseTable,
        }
    }

    /// Where the leader's row counts. One in the other table means nothing.
    #[must_use]
    pub fn leader_home(self) -> Home {
        match self {
            Self::Init | Self::Deployed | Self::Pending => Home::SeparateTables,
            Self::Complete => Home::LeaseTable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TableMigration::{Complete, Deployed, Init, Pending};
    use super::*;

    #[test]
    fn stored_state_and_setting_make_the_effective_one() {
        let refused = Err(FleetError::MigrationNotDeployed);
        let table = [
            (None, Ok(Init), refused.clone()),
            (Some(Init), Ok(Init), refused),
            (Some(Deployed), Ok(Deployed), Ok(Pending)),
            (Some(Pending), Ok(Deployed), Ok(Pending)),
            (Some(Complete), Ok(Complete), Ok(Complete)),
        ];
        for (stored, off, on) in table {
            assert_eq!(TableMigration::effective(stored, false), off, "{stored:?}");
            assert_eq!(TableMigration::effective(stored, true), on, "{stored:?}");
        }
    }

    #[test]
    fn rows_move_before_the_leader_does() {
        use Home::{LeaseTable, SeparateTables};
        let table = [
            (Init, SeparateTables, SeparateTables),
            (Deployed, SeparateTables, SeparateTables),
            (Pending, LeaseTable, SeparateTables),
            (Complete, LeaseTable, LeaseTable),
        ];
        for (state, rows, leader) in table {
            assert_eq!((state.home(), state.leader_home()), (rows, leader), "{state:?}");
        }
    }

    #[test]
    fn stored_texts_are_those_of_kcl_and_no_others() {
        let row = |value: &str| StateRow {
            value: value.to_owned(),
            by: "w".to_owned(),
            at_ms: 0,
            history: Vec::new(),
        };
        for state in [Init, Deployed, Pending, Complete] {
            assert_eq!(TableMigration::of_row(&row(state.stored())), Ok(state));
        }
        let error = TableMigration::of_row(&row("TABLE_MIGRATION_STATUS_NEW")).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("`TableMigration3.5` says `TABLE_MIGRATION_STATUS_NEW`")
        );
    }
}
