;; attacks = [27]
;; does = "a sink that traps when its file is closed"
;; role = "sink"
;; dies = "plugin-trap"
;; -- on-close
(unreachable)
