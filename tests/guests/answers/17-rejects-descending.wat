;; attacks = [17]
;; does = "rejects the second record, then the first"
;; dies = "plugin-contract"
;; -- items
(data (i32.const 4096) "no")
;; -- on-batch
(i32.store8 (i32.const 1028) (i32.const 1))
(i32.store (i32.const 1040) (i32.const 1100))
(i32.store (i32.const 1044) (i32.const 2))
(i32.store (i32.const 1100) (i32.const 1))
(i32.store (i32.const 1108) (i32.const 4096))
(i32.store (i32.const 1112) (i32.const 2))
(i32.store (i32.const 1116) (i32.const 0))
(i32.store (i32.const 1124) (i32.const 4096))
(i32.store (i32.const 1128) (i32.const 2))
;; -- honest
(i32.store8 (i32.const 1028) (i32.const 1))
(i32.store (i32.const 1040) (i32.const 1100))
(i32.store (i32.const 1044) (i32.const 1))
(i32.store (i32.const 1108) (i32.const 4096))
(i32.store (i32.const 1112) (i32.const 2))
