//! `BOX_CPUS`: how many cores a box has.

use crate::Misuse;

/// What compose files read as `BOX_CPU_QUOTA`, if `BOX_CPUS` is set: they cannot multiply, and a cap is
/// microseconds of each period of 20 ms.
pub(crate) fn quota_from_env() -> anyhow::Result<Option<String>> {
    match std::env::var("BOX_CPUS") {
        Ok(cores) => quota(&cores).map(Some),
        Err(_) => Ok(None),
    }
}

fn quota(cores: &str) -> anyhow::Result<String> {
    let number = cores.parse().ok();
    let number = number.filter(|cores: &f64| cores.is_finite() && *cores > 0.0);
    let number = number.ok_or_else(|| {
        Misuse(format!(
            "BOX_CPUS: expected a number of cores, such as 0.25, got {cores:?}"
        ))
    })?;
    // Docker takes no quota below 1 ms.
    Ok(format!("{:.0}", (number * 20_000.0).max(1_000.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_become_a_quota() {
        assert_eq!(quota("0.25").ok().as_deref(), Some("5000"));
        assert_eq!(quota("0.001").ok().as_deref(), Some("1000"));
    }

    #[test]
    fn what_is_no_number_of_cores_is_refused() {
        for bad in ["abc", "", "0", "-1", "inf", "NaN", "0,5"] {
            let refused = quota(bad).map_err(|error| error.to_string());
            let expected =
                format!("BOX_CPUS: expected a number of cores, such as 0.25, got {bad:?}");
            assert_eq!(refused, Err(expected));
        }
    }
}
