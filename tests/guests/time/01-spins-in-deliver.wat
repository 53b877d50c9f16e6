;; attacks = [1]
;; does = "a sink that loops for ever when it is to deliver"
;; role = "sink"
;; dies = "plugin-cpu"
;; -- on-batch
(loop $l (br $l))
