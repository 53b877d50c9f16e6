;; attacks = [13]
;; does = "returns a list of 2^32-1 words, whose length in bytes does not fit"
;; dies = "plugin-trap"
;; -- on-batch
(i32.store8 (i32.const 1028) (i32.const 2))
(i32.store (i32.const 1032) (i32.const 8))
(i32.store (i32.const 1036) (i32.const 0xffffffff))
