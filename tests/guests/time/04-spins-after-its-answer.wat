;; attacks = [4]
;; does = "answers, then loops for ever in cabi_post_*"
;; dies = "plugin-cpu"
;; -- items
(func (export "cabi_post_bulkhead:plugin/filter@0.1.0#evaluate") (param i32)
  (loop $l (br $l)))
