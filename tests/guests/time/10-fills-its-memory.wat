;; attacks = [10]
;; does = "fills all of its memory again and again with one instruction each"
;; dies = "plugin-cpu"
;; -- items
(global $all (mut i32) (i32.const 0))
;; -- on-batch
(drop (memory.grow (i32.const 14)))
(loop $l
  (memory.fill (i32.const 32768) (i32.const 1)
    (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 32768)))
  (br $l))
