;; attacks = [15]
;; does = "writes Latin-1 or UTF-16, and rejects with a code that is said to be UTF-16 and is half a character, of a length beyond its memory"
;; strings = "latin1-or-utf16"
;; dies = "plugin-trap"
;; -- items
(data (i32.const 4112) "no")
(data (i32.const 4096) "\00\d8")
;; -- on-batch
(i32.store8 (i32.const 1028) (i32.const 1))
(i32.store (i32.const 1040) (i32.const 1100))
(i32.store (i32.const 1044) (i32.const 1))
(i32.store (i32.const 1108) (i32.const 4096))
(i32.store (i32.const 1112) (i32.const 0xffffffff))
;; -- honest
(i32.store8 (i32.const 1028) (i32.const 1))
(i32.store (i32.const 1040) (i32.const 1100))
(i32.store (i32.const 1044) (i32.const 1))
(i32.store (i32.const 1108) (i32.const 4112))
(i32.store (i32.const 1112) (i32.const 2))
