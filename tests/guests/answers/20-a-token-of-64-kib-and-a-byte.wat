;; attacks = [20]
;; does = "a sink whose checkpoint token is one byte longer than a token may be"
;; role = "sink"
;; dies = "plugin-contract"
;; -- on-batch
(drop (memory.grow (i32.const 4)))
(i32.store8 (i32.const 1056) (i32.const 1))
(i64.store (i32.const 1064) (i64.const 2))
(i32.store (i32.const 1072) (i32.const 0))
(i32.store (i32.const 1076) (i32.const 65537))
;; -- honest
(i32.store8 (i32.const 1056) (i32.const 1))
(i64.store (i32.const 1064) (global.get $taken))
(drop (memory.grow (i32.const 4)))
(i32.store (i32.const 1072) (i32.const 0))
(i32.store (i32.const 1076) (i32.const 65536))
