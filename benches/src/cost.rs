//! Yen per user per month, from a measured load; pure.

use serde::Serialize;

/// What the Thin Telework System's operators published for theirs, in yen per user per month.
pub const MODEL_YEN: (f64, f64) = (5.0, 14.0);

const MONTHS_A_YEAR: f64 = 12.0;
const HOURS_A_MONTH: f64 = 8_766.0 / MONTHS_A_YEAR;

/// A board, what it stands on, and what it carries.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inputs {
    /// Sessions that one board carried at a time, and passed.
    pub sessions: f64,
    /// Bits that one of them moved in a second, both directions together.
    pub session_kbps: f64,
    /// Share of all users who are in a session at the busiest time.
    pub peak_share: f64,
    pub board_yen: f64,
    /// Until the board is written off.
    pub board_years: f64,
    /// Boards that are bought beyond those in use, as a share.
    pub spare_share: f64,
    pub board_watts: f64,
    /// Energy with cooling, as a multiple of the board's own.
    pub cooling: f64,
    pub yen_per_kwh: f64,
    /// Room for one board for a month.
    pub space_yen: f64,
    /// For each Mbit/s of the busiest time, for a month.
    pub transit_yen_per_mbps: f64,
}

/// Yen per user per month, part by part.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    pub users_per_board: f64,
    pub hardware: f64,
    pub power: f64,
    pub space: f64,
    pub transit: f64,
}

impl Cost {
    /// Everything is counted for one board and shared by the users whom it serves.
    pub fn of(inputs: &Inputs) -> Self {
        let users = inputs.sessions / inputs.peak_share;
        let months = inputs.board_years * MONTHS_A_YEAR;
        let hardware = inputs.board_yen * (1.0 + inputs.spare_share) / months;
        let kwh = inputs.board_watts * inputs.cooling * HOURS_A_MONTH / 1_000.0;
        // What comes in on one leg goes out on the other, so the board's port carries both
        // directions of a session each way; a provider bills one way.
        let mbps = inputs.sessions * inputs.session_kbps / 1_000.0;
        Self {
            users_per_board: users,
            hardware: hardware / users,
            power: kwh * inputs.yen_per_kwh / users,
            space: inputs.space_yen / users,
            transit: mbps * inputs.transit_yen_per_mbps / users,
        }
    }

    pub fn total(&self) -> f64 {
        self.hardware + self.power + self.space + self.transit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> Inputs {
        Inputs {
            sessions: 1_000.0,
            session_kbps: 100.0,
            peak_share: 0.25,
            board_yen: 12_000.0,
            board_years: 4.0,
            spare_share: 0.0,
            board_watts: 10.0,
            cooling: 2.0,
            yen_per_kwh: 30.0,
            space_yen: 2_000.0,
            transit_yen_per_mbps: 40.0,
        }
    }

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn each_part_is_what_a_pocket_calculator_says() {
        let cost = Cost::of(&inputs());

        assert!(close(cost.users_per_board, 4_000.0));
        assert!(close(cost.hardware, 250.0 / 4_000.0));
        // 20 W for 730.5 hours are 14.61 kWh.
        assert!(close(cost.power, 14.61 * 30.0 / 4_000.0));
        assert!(close(cost.space, 0.5));
        assert!(close(cost.transit, 1.0));
        let sum = cost.hardware + cost.power + cost.space + cost.transit;
        assert!(close(cost.total(), sum));
    }

    #[test]
    fn more_sessions_on_a_board_cost_less_each_except_their_transit() {
        let (one, two) = (Cost::of(&inputs()), {
            let sessions = 2_000.0;
            Cost::of(&Inputs {
                sessions,
                ..inputs()
            })
        });

        assert!(close(two.hardware * 2.0, one.hardware));
        assert!(close(two.transit, one.transit));
    }

    #[test]
    fn spares_are_paid_for() {
        let spare_share = 0.1;
        let cost = Cost::of(&Inputs {
            spare_share,
            ..inputs()
        });

        assert!(close(cost.hardware, 275.0 / 4_000.0));
    }
}
