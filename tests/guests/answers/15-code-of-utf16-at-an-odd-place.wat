;; attacks = [15]
;; does = "writes UTF-16, and rejects with a code that lies at an odd place"
;; strings = "utf16"
;; dies = "plugin-trap"
;; -- items
(data (i32.const 4112) "n\00o\00")
(data (i32.const 4097) "n\00o\00")
;; -- on-batch
(i32.store8 (i32.const 1028) (i32.const 1))
(i32.store (i32.const 1040) (i32.const 1100))
(i32.store (i32.const 1044) (i32.const 1))
(i32.store (i32.const 1108) (i32.const 4097))
(i32.store (i32.const 1112) (i32.const 2))
;; -- honest
(i32.store8 (i32.const 1028) (i32.const 1))
(i32.store (i32.const 1040) (i32.const 1100))
(i32.store (i32.const 1044) (i32.const 1))
(i32.store (i32.const 1108) (i32.const 4112))
(i32.store (i32.const 1112) (i32.const 2))
