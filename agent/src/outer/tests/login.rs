//! Proxies that want to know who is here.

use super::board::{Board, Ca, Certificate};
use super::office::{GO, Talk, WHO, asked, prepare, strict, with};
use super::proxy::{server, works};
use super::soon;
use crate::config::Proxy;
use crate::outer::proxy::login::Scheme;
use crate::outer::{OuterError, ProxyRefusal, Target};

/// "abc", in a page of its own.
const QUESTION: &str = "HTTP/1.1 407 Who?\r\nProxy-Authenticate: NTLM YWJj\r\n\
                        Content-Length: 5\r\n\r\n<hr/>";
const CHUNKS: &str = "HTTP/1.1 407 Who?\r\nProxy-Authenticate: Negotiate YWJj\r\n\
                      Transfer-Encoding: chunked\r\n\r\n5\r\n<hr/>\r\n0;x=y\r\n\r\n";
/// "hello" and "cba".
const NTLM: [&str; 2] = ["NTLM aGVsbG8=", "NTLM Y2Jh"];
const NEGOTIATE: [&str; 2] = ["Negotiate aGVsbG8=", "Negotiate Y2Jh"];
/// "taro:pass:word".
const BASIC: &str = "Basic dGFybzpwYXNzOndvcmQ=";
const TARO: Option<(&str, &str)> = Some(("taro", "pass:word"));

async fn gets_through(
    user: Option<(&str, &str)>,
    schemes: &[Scheme],
    scripts: &'static [Talk],
) -> Vec<String> {
    let ca = Ca::new("Tasuki CA of test");
    let board = Board::start(&ca, Certificate::of("tokyo-1")).await;
    let address = strict(Some(board.address()), scripts).await;
    let (agent, office) = prepare(&ca, Proxy::Http(server(address, user)), with(schemes));
    works(&board, &agent).await;
    asked(&office)
}

async fn refusal(
    user: Option<(&str, &str)>,
    schemes: &[Scheme],
    scripts: &'static [Talk],
) -> ProxyRefusal {
    let ca = Ca::new("Tasuki CA of test");
    let address = strict(None, scripts).await;
    let (agent, _) = prepare(&ca, Proxy::Http(server(address, user)), with(schemes));
    let error = soon(agent.leg(&Target::Entry)).await;
    let error = error.expect_err("does not get through");
    let OuterError::Proxy { source, .. } = error else {
        panic!("a refusal by the proxy, not {error:?}");
    };
    source
}

#[tokio::test]
async fn ntlm_goes_on_on_one_connection_past_the_pages_between() {
    let asked = gets_through(
        None,
        &[Scheme::Ntlm],
        &[&[("", WHO)], &[(NTLM[0], QUESTION), (NTLM[1], GO)]],
    )
    .await;

    assert_eq!(asked, ["Ntlm 127.0.0.1 LoggedOn"]);
}

#[tokio::test]
async fn negotiate_comes_before_ntlm_and_passes_chunks() {
    let asked = gets_through(
        TARO,
        &[Scheme::Ntlm, Scheme::Negotiate],
        &[&[("", WHO)], &[(NEGOTIATE[0], CHUNKS), (NEGOTIATE[1], GO)]],
    )
    .await;

    assert_eq!(asked, ["Negotiate 127.0.0.1 User(\"taro\", [password])"]);
}

#[tokio::test]
async fn a_scheme_that_is_rejected_makes_room_for_the_next_on_a_new_connection() {
    gets_through(
        None,
        &[Scheme::Ntlm, Scheme::Negotiate],
        &[
            &[("", WHO)],
            &[(NEGOTIATE[0], WHO)],
            &[(NTLM[0], QUESTION), (NTLM[1], GO)],
        ],
    )
    .await;
}

#[tokio::test]
async fn a_password_that_a_proxy_has_rejected_is_not_tried_again() {
    let ca = Ca::new("Tasuki CA of test");
    // Whoever comes a third time finds nobody.
    let address = strict(None, &[&[("", WHO)], &[(NEGOTIATE[0], WHO)]]).await;
    let office = with(&[Scheme::Ntlm, Scheme::Negotiate]);
    let (agent, office) = prepare(&ca, Proxy::Http(server(address, TARO)), office);

    for _ in 0..3 {
        let error = soon(agent.leg(&Target::Entry))
            .await
            .expect_err("is refused");

        assert!(
            matches!(
                &error,
                OuterError::Proxy {
                    source: ProxyRefusal::Authentication { .. },
                    ..
                }
            ),
            "{error:?}"
        );
    }
    assert_eq!(asked(&office).len(), 1, "{office:?}");
}

#[tokio::test]
async fn basic_is_last_and_only_with_a_password() {
    gets_through(TARO, &[], &[&[("", WHO)], &[(BASIC, GO)]]).await;

    let without = refusal(None, &[], &[&[("", WHO)]]).await;
    let wrong = refusal(TARO, &[], &[&[("", WHO)], &[(BASIC, WHO)]]).await;

    assert!(
        matches!(&without, ProxyRefusal::NoUser { asked } if asked == "Negotiate, NTLM, Basic"),
        "{without:?}"
    );
    assert!(
        matches!(wrong, ProxyRefusal::Authentication { .. }),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn each_login_that_comes_to_nothing_is_told_apart() {
    const DIGEST: &str = "HTTP/1.1 407 Who?\r\nProxy-Authenticate: Digest nonce=\"a, b\"\r\n\r\n";
    const CUT: &str = "HTTP/1.1 407 Who?\r\nProxy-Authenticate: NTLM YWJj\r\n\r\n";
    /// "mumble".
    const MUMBLE: &str = "HTTP/1.1 407 Who?\r\nProxy-Authenticate: NTLM bXVtYmxl\r\n\
                          Content-Length: 0\r\n\r\n";
    let ntlm = [Scheme::Ntlm];

    let unknown = refusal(TARO, &ntlm, &[&[("", DIGEST)]]).await;
    let cut = refusal(None, &ntlm, &[&[("", WHO)], &[(NTLM[0], CUT)]]).await;
    let mumble = refusal(None, &ntlm, &[&[("", WHO)], &[(NTLM[0], MUMBLE)]]).await;
    let rejected = refusal(
        None,
        &ntlm,
        &[&[("", WHO)], &[(NTLM[0], QUESTION), (NTLM[1], WHO)]],
    )
    .await;

    assert!(
        matches!(&unknown, ProxyRefusal::UnknownSchemes { asked } if asked == "Digest"),
        "{unknown:?}"
    );
    assert!(matches!(cut, ProxyRefusal::LoginCut), "{cut:?}");
    assert!(
        matches!(mumble, ProxyRefusal::Logon { scheme: "NTLM", .. }),
        "{mumble:?}"
    );
    assert!(
        matches!(rejected, ProxyRefusal::Authentication { .. }),
        "{rejected:?}"
    );
}

#[tokio::test]
async fn a_proxy_that_never_stops_asking_is_given_up() {
    const AGAIN: &[(&str, &str)] = &[
        (NTLM[0], QUESTION),
        (NTLM[1], QUESTION),
        (NTLM[1], QUESTION),
        (NTLM[1], QUESTION),
        (NTLM[1], QUESTION),
        (NTLM[1], QUESTION),
    ];

    let refusal = refusal(None, &[Scheme::Ntlm], &[&[("", WHO)], AGAIN]).await;

    assert!(
        matches!(refusal, ProxyRefusal::Authentication { .. }),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn a_page_as_long_as_its_limit_is_passed_and_a_longer_one_is_not() {
    let page = |length: usize| {
        let page = "y".repeat(length);
        let head = "HTTP/1.1 407 Who?\r\nProxy-Authenticate: NTLM YWJj\r\nContent-Length: ";
        format!("{head}{length}\r\n\r\n{page}")
    };
    let leaked = |text: String| -> &'static str { text.leak() };
    let play = |page: &'static str| -> &'static [Talk] {
        let second: Talk = vec![(NTLM[0], page), (NTLM[1], "HTTP/1.1 403 No\r\n\r\n")].leak();
        let first: Talk = &[("", WHO)];
        vec![first, second].leak()
    };

    let passed = refusal(None, &[Scheme::Ntlm], play(leaked(page(65_536)))).await;
    let endless = refusal(None, &[Scheme::Ntlm], play(leaked(page(65_537)))).await;

    assert!(
        matches!(passed, ProxyRefusal::Forbidden { .. }),
        "{passed:?}"
    );
    assert!(
        matches!(endless, ProxyRefusal::Unusable { .. }),
        "{endless:?}"
    );
}
