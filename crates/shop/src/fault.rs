//! `shop fault`: breaks the shop on this box on purpose.

use std::net::SocketAddr;

use runtime::{BoxError, Fault};

/// Lets the running shop fail as told; by default not at all.
pub async fn set_fault(admin: SocketAddr, fault: Fault) -> Result<(), BoxError> {
    let body = serde_json::to_string(&fault)?;
    runtime::admin::ask(admin, "PUT", "/faults", &body).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use runtime::server::Listen;
    use runtime::{HttpConfig, Service, ShutdownConfig};

    use super::*;

    async fn start(faults: bool) -> (SocketAddr, Service) {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let admin = listener.and_then(|listener| listener.local_addr());
        let admin = admin.expect("a free port");
        let http = HttpConfig {
            admin: Listen(admin),
            faults,
            ..HttpConfig::default()
        };
        let service = Service::start("web", &http, &ShutdownConfig::default()).await;
        (admin, service.expect("a free port"))
    }

    #[tokio::test]
    async fn a_shop_that_allows_it_can_be_broken_on_purpose() {
        let (admin, _service) = start(true).await;
        let half = Fault {
            fail_ratio: 0.5,
            delay_ms: 20,
        };
        set_fault(admin, half).await.expect("taken");
        let current = runtime::admin::ask(admin, "GET", "/faults", "").await;
        let current = current.expect("an answer");
        assert_eq!(current, r#"{"fail_ratio":0.5,"delay_ms":20}"#);
        let beyond = Fault {
            fail_ratio: 2.0,
            ..half
        };
        let refused = set_fault(admin, beyond).await.expect_err("refused");
        assert!(refused.to_string().contains("fail_ratio"), "{refused}");
    }

    #[tokio::test]
    async fn another_one_cannot() {
        let (admin, _service) = start(false).await;
        assert!(set_fault(admin, Fault::default()).await.is_err());
    }
}
