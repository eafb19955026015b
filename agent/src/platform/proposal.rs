//! A readable computer ID to propose (R18).

use protocol::id::ComputerId;
use rand::Rng;

use super::imp;

/// Letters of the host's name that are kept.
const NAME_LETTERS: usize = 8;

/// The beginning of the host's name and six random digits, as "kaihatsu-042-917".
pub fn propose_computer_id() -> ComputerId {
    let number = rand::thread_rng().gen_range(0..1_000_000);
    propose(imp::host_name().as_deref().unwrap_or_default(), number)
}

fn propose(host_name: &str, number: u32) -> ComputerId {
    let kept = host_name.split('.').next().unwrap_or_default().chars();
    let kept: String = kept
        .filter(char::is_ascii_alphanumeric)
        .take(NAME_LETTERS)
        .collect();
    let name = if kept.is_empty() { "pc" } else { &kept };
    let (high, low) = (number / 1000 % 1000, number % 1000);
    let proposed = format!("{name}-{high:03}-{low:03}");
    proposed
        .parse()
        .expect("8 letters and 8 more of what an ID may hold")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_cut_and_cleaned_and_digits_are_kept_whole() {
        let cases = [
            ("Kaihatsu-Taro.example.jp", 42_917, "kaihatsu-042-917"),
            ("PC_7", 0, "pc7-000-000"),
            ("開発", 999_999, "pc-999-999"),
            ("", 1, "pc-000-001"),
        ];
        for (host_name, number, expected) in cases {
            assert_eq!(propose(host_name, number).as_str(), expected);
        }
    }

    #[test]
    fn proposals_differ() {
        let proposals = [(); 4].map(|()| propose_computer_id());

        assert!(proposals.iter().any(|proposal| *proposal != proposals[0]));
    }
}
