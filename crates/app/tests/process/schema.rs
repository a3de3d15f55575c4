//! Every statement of the whole program, on the schema that its migrations make.

testkit::both! {
    &app::system::migrations();

    async fn every_statement_prepares(t) {
        testkit::prepare_all(&t.db, "/src/", 80).await;
    }
}
