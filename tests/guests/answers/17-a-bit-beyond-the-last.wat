;; attacks = [17]
;; does = "keeps a record that there is not"
;; dies = "plugin-contract"
;; -- on-batch
(i64.store (i32.const 8192) (i64.const 4))
(i32.store8 (i32.const 1028) (i32.const 2))
(i32.store (i32.const 1032) (i32.const 8192))
(i32.store (i32.const 1036) (i32.const 1))
