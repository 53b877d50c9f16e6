;; attacks = [10]
;; does = "copies half of its memory over the other again and again"
;; dies = "plugin-cpu"
;; -- on-batch
(drop (memory.grow (i32.const 14)))
(loop $l
  (memory.copy (i32.const 65536) (i32.const 32768) (i32.const 458752))
  (br $l))
