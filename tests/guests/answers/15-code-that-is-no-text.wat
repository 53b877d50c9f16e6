;; attacks = [15]
;; does = "rejects with a code that is not UTF-8"
;; dies = "plugin-trap"
;; -- items
(data (i32.const 4112) "no")
(data (i32.const 4096) "\ff\fe\ed\a0\80")
;; -- on-batch
(i32.store8 (i32.const 1028) (i32.const 1))
(i32.store (i32.const 1040) (i32.const 1100))
(i32.store (i32.const 1044) (i32.const 1))
(i32.store (i32.const 1108) (i32.const 4096))
(i32.store (i32.const 1112) (i32.const 5))
;; -- honest
(i32.store8 (i32.const 1028) (i32.const 1))
(i32.store (i32.const 1040) (i32.const 1100))
(i32.store (i32.const 1044) (i32.const 1))
(i32.store (i32.const 1108) (i32.const 4112))
(i32.store (i32.const 1112) (i32.const 2))
