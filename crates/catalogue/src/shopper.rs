use crate::Rng;

/// The seeded member of staff.
pub const STAFF_EMAIL: &str = "staff@example.test";
pub const STAFF_NAME: &str = "Robin Keller";

/// Of every seeded account. Public knowledge: these accounts are for workshops and tests.
pub const PASSWORD: &str = "correct horse";

/// Someone who already has an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shopper {
    /// Unique: `shopper-00001@example.test` is the first.
    pub email: String,
    pub name: String,
}

/// Shopper `index`, from 1; the same whatever the number of shoppers.
pub fn shopper(index: u32) -> Shopper {
    let mut rng = Rng::new(u64::from(index));
    Shopper {
        email: format!("shopper-{index:05}@example.test"),
        name: format!("{} {}", rng.pick(&GIVEN_NAMES), rng.pick(&FAMILY_NAMES)),
    }
}

const GIVEN_NAMES: [&str; 40] = [
    "Ada", "Aisha", "Amir", "Anna", "Bao", "Beatriz", "Carlos", "Chidi", "Chloé", "Dana", "Elif",
    "Emil", "Esther", "Farid", "Freya", "Giulia", "Hana", "Hugo", "Ines", "Ivan", "Jonas", "June",
    "Kaito", "Kofi", "Lena", "Luca", "Maja", "Mateo", "Mei", "Nadia", "Noah", "Olga", "Priya",
    "Quinn", "Rosa", "Sami", "Tara", "Viktor", "Yara", "Zoë",
];

const FAMILY_NAMES: [&str; 40] = [
    "Abara",
    "Almeida",
    "Andersson",
    "Bauer",
    "Bianchi",
    "Brandt",
    "Castro",
    "Chen",
    "Costa",
    "Demir",
    "Dubois",
    "Eriksen",
    "Fischer",
    "Fontaine",
    "Garcia",
    "Haddad",
    "Horvat",
    "Ivanova",
    "Jansen",
    "Kaur",
    "Kim",
    "Kowalski",
    "Larsen",
    "Lindqvist",
    "Marino",
    "Mensah",
    "Moreau",
    "Novak",
    "O'Brien",
    "Okafor",
    "Petrov",
    "Popescu",
    "Rossi",
    "Santos",
    "Sato",
    "Schmidt",
    "Silva",
    "Tanaka",
    "Virtanen",
    "Weber",
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keeps_the_same_people_for_ever() {
        let first = Shopper {
            email: "shopper-00001@example.test".into(),
            name: "Kaito Okafor".into(),
        };
        assert_eq!(shopper(1), first);
    }

    #[test]
    fn gives_each_shopper_an_address() {
        let emails: HashSet<_> = (1..=100_500).map(|index| shopper(index).email).collect();
        assert_eq!(emails.len(), 100_500);
    }
}
