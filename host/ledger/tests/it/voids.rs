//! What entries of failed files do not tell.

use super::*;

#[test]
fn the_earlier_line_of_a_file_holds() {
    let Fixture { ledger, directory } = Fixture::new();
    let (export, other) = (u64::MAX, 7);
    for (export, file, through) in
        [(export, 1, 10), (export, 2, 0), (export, 1, 12), (other, 1, 5), (other, 1, 4)]
    {
        ledger.void(export, file, through).unwrap();
    }
    let expected = [((other, 1), 4), ((export, 1), 10), ((export, 2), 0)].into();
    assert_eq!(ledger.voids().unwrap(), expected);
    drop(ledger);
    let again = Ledger::open(directory.path().join("ledger.db")).unwrap();
    assert_eq!(again.voids().unwrap(), expected);
}
