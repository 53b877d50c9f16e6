;; attacks = [14]
;; does = "returns twice as many bytes as one answer may have"
;; dies = "plugin-return-bytes"
;; -- on-batch
(drop (memory.grow (i32.const 4)))
(i32.store8 (i32.const 1028) (i32.const 2))
(i32.store (i32.const 1032) (i32.const 0))
(i32.store (i32.const 1036) (i32.const 16384))
